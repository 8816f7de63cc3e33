//! The part of kilnd that stays root. Started by kilnd with a policy on stdin and a socket as
//! descriptor 3; no use by hand, but `--version` says which kilnd it goes with.

use std::{
    env,
    io::{Write as _, stdout},
    process::ExitCode,
};

fn main() -> ExitCode {
    if env::args_os().nth(1).is_some_and(|argument| argument == "--version") {
        let said = writeln!(stdout(), concat!("kiln-helper ", env!("CARGO_PKG_VERSION")));
        return if said.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    kiln_helper::main()
}

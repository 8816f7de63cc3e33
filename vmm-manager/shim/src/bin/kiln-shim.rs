//! The supervisor of one VM. Started by kilnd with an order on stdin; no use by hand, but
//! `--version` says which kilnd it goes with.

use std::{
    env,
    io::{Write as _, stdout},
    process::ExitCode,
};

fn main() -> ExitCode {
    if env::args_os().nth(1).is_some_and(|argument| argument == "--version") {
        let said = writeln!(stdout(), concat!("kiln-shim ", env!("CARGO_PKG_VERSION")));
        return if said.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    kiln_shim::supervise::main()
}

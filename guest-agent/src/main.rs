//! `kiln-agent`: `/init` of a guest.

use std::process::ExitCode;

fn main() -> ExitCode {
    kiln_agent::main()
}

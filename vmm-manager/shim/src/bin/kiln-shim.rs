//! The supervisor of one VM. Started by kilnd with an order on stdin; no use by hand.

use std::process::ExitCode;

fn main() -> ExitCode {
    kiln_shim::supervise::main()
}

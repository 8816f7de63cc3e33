use std::process::ExitCode;

fn main() -> ExitCode {
    kiln_gateway::main()
}

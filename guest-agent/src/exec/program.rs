//! Whether the child has become its program.

use tokio::{io::AsyncReadExt, net::unix::pipe};

use crate::process::{Failure, REPORT_BYTES, Stage};

#[derive(Debug)]
pub(super) enum Program {
    Running,
    Missing(Failure),
}

/// Waits for the child's report, which ends without a word when the program is executed. It ends
/// too when the child is killed before; then the exit tells.
///
/// An exit alone would not tell: a program may exit with any code that a child without one has.
pub(super) async fn became_program(mut report: pipe::Receiver) -> Program {
    let mut bytes = [0; REPORT_BYTES];
    match report.read(&mut bytes).await {
        Ok(0) => Program::Running,
        // So few bytes are written and read in one piece.
        Ok(_) => Program::Missing(Failure::decode(bytes)),
        Err(error) => Program::Missing(Failure {
            stage: Stage::Prepare,
            candidate: 0,
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        }),
    }
}

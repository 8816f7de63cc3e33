//! What the client of a second command sends.

use kiln_proto::v1::{self, exec_in_job_request::Event};
use tonic::{Status, Streaming};

use crate::{
    api::{field::InvalidField, incoming},
    guest::{ExecInput, TerminalSize},
};

/// What the command has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takes {
    pub(super) stdin: bool,
    pub(super) terminal: bool,
}

/// Until the client sends no more. What comes when the command is over is dropped.
pub(super) async fn forward(
    mut requests: Streaming<v1::ExecInJobRequest>,
    input: ExecInput,
    takes: Takes,
) -> Result<(), Status> {
    let mut closed = false;
    // An error here is the client's stream breaking, which its answers' channel tells too.
    while let Ok(Some(request)) = requests.message().await {
        // An error of the sending means that the command is over, which its output tells better.
        let _ = match request.event {
            Some(Event::Stdin(_) | Event::StdinClosed(_)) if !takes.stdin => {
                return Err(InvalidField::new("stdin", "the command keeps no stdin open").into());
            }
            Some(Event::Stdin(_)) if closed => {
                return Err(InvalidField::new("stdin", "comes behind its own end").into());
            }
            Some(Event::Stdin(bytes)) => input.stdin(bytes).await,
            Some(Event::StdinClosed(_)) if closed => continue,
            Some(Event::StdinClosed(_)) => {
                closed = true;
                input.close_stdin().await
            }
            Some(Event::Resize(_)) if !takes.terminal => {
                return Err(InvalidField::new("resize", "the command has no terminal").into());
            }
            Some(Event::Resize(size)) => {
                let size = incoming::terminal_size("resize", size)?;
                input.resize(TerminalSize { rows: size.rows, columns: size.columns }).await
            }
            Some(Event::Signal(number)) => input.signal(incoming::signal(number)?).await,
            Some(Event::Start(_)) => {
                return Err(InvalidField::new("start", "comes first, and only first").into());
            }
            None => return Err(InvalidField::new("event", "is missing").into()),
        };
    }
    Ok(())
}

//! What an attached client sends.

use kiln_proto::v1::{self, attach_job_request::Event};
use tonic::{Status, Streaming};

use crate::{
    api::{field::InvalidField, incoming, status},
    store::ClientInput,
};

/// What the job's command has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takes {
    pub(super) stdin: bool,
    pub(super) terminal: bool,
}

/// Until the client sends no more. What comes when nobody takes it any more is dropped: the command
/// is over then, or reads no more.
pub(super) async fn forward(
    mut requests: Streaming<v1::AttachJobRequest>,
    mut input: ClientInput,
    takes: Takes,
) -> Result<(), Status> {
    let mut closed = false;
    // An error here is the client's stream breaking, which its answers' channel tells too.
    while let Ok(Some(request)) = requests.message().await {
        let (field, sent) = match request.event {
            Some(Event::Stdin(_) | Event::StdinClosed(_)) if !takes.stdin => {
                return Err(InvalidField::new("stdin", "the job keeps no stdin open").into());
            }
            Some(Event::Stdin(_)) if closed => {
                return Err(InvalidField::new("stdin", "comes behind its own end").into());
            }
            Some(Event::Stdin(bytes)) => ("stdin", input.stdin(bytes).await),
            Some(Event::StdinClosed(_)) if closed => continue,
            Some(Event::StdinClosed(_)) => {
                closed = true;
                ("stdin_closed", input.close_stdin().await)
            }
            Some(Event::Resize(_)) if !takes.terminal => {
                return Err(InvalidField::new("resize", "the job has no terminal").into());
            }
            Some(Event::Resize(size)) => {
                ("resize", input.resize(incoming::terminal_size("resize", size)?).await)
            }
            Some(Event::Signal(number)) => {
                ("signal", input.signal(incoming::signal(number)?).await)
            }
            Some(Event::Attach(_)) => {
                return Err(InvalidField::new("attach", "comes first, and only first").into());
            }
            None => return Err(InvalidField::new("event", "is missing").into()),
        };
        sent.or_else(|error| status::input(field, error))?;
    }
    Ok(())
}

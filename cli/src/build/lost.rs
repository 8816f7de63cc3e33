//! A log that broke: what is known of its job then.

use crate::daemon::{Daemon, DaemonError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum LostError {
    #[error(
        "{cause}; job {id} goes on: `kiln job logs --follow --offset {offset} {id}` shows the \
         rest, `kiln job cancel {id}` ends it"
    )]
    GoesOn { id: String, cause: DaemonError, offset: u64 },
    #[error(
        "{cause}; job {id} has ended ({state}), and its log did not arrive whole: `kiln job logs \
         {id}` shows it"
    )]
    Ended { id: String, cause: DaemonError, state: &'static str },
    #[error("{cause}; once kilnd is back, `kiln job get {id}` tells what became of it")]
    Gone { id: String, cause: DaemonError },
}

pub(crate) async fn truth(daemon: &Daemon, id: &str, cause: DaemonError, offset: u64) -> LostError {
    let id = id.to_owned();
    if matches!(cause, DaemonError::Away { .. }) {
        return LostError::Gone { id, cause };
    }
    match daemon.job(&id).await {
        Ok(job) if job.has_ended() => LostError::Ended { id, cause, state: job.state.name() },
        Ok(_) => LostError::GoesOn { id, cause, offset },
        Err(_) => LostError::Gone { id, cause },
    }
}

//! An attachment that broke: kilnd's record says what became of the job.

use std::time::Duration;

use super::{attachment::Arrived, ending::Ending};
use crate::{
    daemon::{Daemon, DaemonError},
    display::size,
    record::Job,
};

/// An attachment often breaks because the job is about to end.
const END_LIMIT: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub(super) enum LostError {
    #[error("could not attach to job {id}, which is cancelled: {cause}")]
    NotAttached { id: String, cause: String },
    #[error(
        "{cause}; job {id} goes on: `kiln job logs --follow --offset {offset} {id}` shows the rest \
         of its output, `kiln job cancel {id}` ends it"
    )]
    GoesOn { id: String, cause: String, offset: u64 },
    #[error(
        "{cause}; job {id} has ended ({state}), but its output is not complete here ({} of {}): \
         `kiln job logs {id}` shows it", size(*arrived), size(*of)
    )]
    Incomplete { id: String, cause: String, state: &'static str, arrived: u64, of: u64 },
    #[error("{cause}; once kilnd is back, `kiln job get {id}` tells what became of the job")]
    Gone { id: String, cause: String },
}

/// The job's end, when all of its output had arrived before the attachment broke.
pub(super) async fn truth(
    daemon: &Daemon,
    id: &str,
    cause: DaemonError,
    arrived: Arrived,
) -> Result<Ending, LostError> {
    let is_away = matches!(cause, DaemonError::Away { .. });
    let (id, cause) = (id.to_owned(), cause.to_string());
    if is_away {
        return Err(LostError::Gone { id, cause });
    }
    match (tokio::time::timeout(END_LIMIT, daemon.ended(&id)).await, arrived) {
        (Ok(Ok(job)), _) if is_complete(&job, arrived) => Ok(Ending::Ended(Box::new(job))),
        (Ok(Ok(job)), _) => Err(LostError::Incomplete {
            id,
            cause,
            state: job.state.name(),
            arrived: count(arrived),
            of: job.log.end_offset,
        }),
        (Ok(Err(_)), _) => Err(LostError::Gone { id, cause }),
        (Err(_), Arrived::Nothing) => {
            // It waits for an attachment that will not come; what fails now, kilnd's own limit ends.
            let _ = daemon.cancel(&id).await;
            Err(LostError::NotAttached { id, cause })
        }
        (Err(_), Arrived::Bytes(offset)) => Err(LostError::GoesOn { id, cause, offset }),
    }
}

fn is_complete(job: &Job, arrived: Arrived) -> bool {
    count(arrived) == job.log.end_offset
}

fn count(arrived: Arrived) -> u64 {
    match arrived {
        Arrived::Nothing => 0,
        Arrived::Bytes(count) => count,
    }
}

//! The first Ctrl-C: cancel the job and wait for its end, with a limit and a way out.

use std::{pin::Pin, time::Duration};

use super::{ending::Ending, signals::Signals};
use crate::{
    daemon::{Daemon, DaemonError},
    progress::Progress,
};

/// From the wish to the end: SIGTERM, a grace, then kilnd takes the VM away.
const END_LIMIT: Duration = Duration::from_secs(30);
/// For the rest of the output once the job has ended: nobody may be reading our stdout, which
/// would hold up the attachment's last word for ever.
const REST_LIMIT: Duration = Duration::from_secs(2);

pub(crate) async fn cancel<J, E>(
    pump: Pin<&mut impl Future<Output = Result<J, E>>>,
    daemon: &Daemon,
    id: &str,
    signals: &mut Signals,
    progress: &Progress,
) -> Result<Ending<J>, E> {
    progress.say("cancelling");
    progress.notice(&format!("cancelling job {id} (again to leave without waiting)"));
    let mut cancels = 1;
    tokio::select! {
        pumped = pump => pumped.map(|job| Ending::Ended(Box::new(job))),
        ended = tokio::time::timeout(END_LIMIT, end(daemon, id)) => Ok(match ended {
            Ok(Ok(())) => Ending::Unread,
            Ok(Err(cause)) => Ending::Uncancelled { cause },
            Err(_) => Ending::Overdue { limit: END_LIMIT },
        }),
        () = signals.impatience(&mut cancels) => Ok(Ending::Left),
    }
}

/// Ends the job, and gives its last output time to be read.
async fn end(daemon: &Daemon, id: &str) -> Result<(), DaemonError> {
    daemon.cancel(id).await?;
    daemon.ended(id).await?;
    tokio::time::sleep(REST_LIMIT).await;
    Ok(())
}

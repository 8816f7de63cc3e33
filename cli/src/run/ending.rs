//! How `kiln run` came to its end, and what it says and exits with then.

use std::time::Duration;

use crate::{
    daemon::{Daemon, DaemonError},
    exit_code,
    output::{self, Output, OutputError, Stream},
    reason,
    record::Job,
    report,
};

/// For the last request of a process that is on its way out.
const FAREWELL_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) enum Ending {
    Ended(Box<Job>),
    /// Our own stdout or stderr takes no more.
    Output(OutputError),
    /// The user did not wait for the end of a cancelled job.
    Left,
    /// A cancelled job has ended, and nobody reads the rest of its output.
    Unread,
    /// kilnd did not take the wish to cancel.
    Uncancelled {
        cause: DaemonError,
    },
    /// The end of a cancelled job did not come.
    Overdue {
        limit: Duration,
    },
}

impl Ending {
    /// Says what has to be said and gives back the exit code.
    ///
    /// # Cancel safety
    /// Safe: only words are lost.
    pub(super) async fn tell(self, daemon: &Daemon, id: &str, json: bool) -> anyhow::Result<u8> {
        match self {
            Self::Ended(job) => {
                if let Some(reason) = reason::of(&job) {
                    report::error(&reason);
                }
                if json {
                    let mut output = Output::start()?;
                    output.write(Stream::Stdout, output::json_line(&job)?.into()).await?;
                    output.finish().await?;
                }
                Ok(job.exit_code.unwrap_or(exit_code::KILN))
            }
            Self::Output(error) => {
                // As SIGPIPE would end a command here: nobody wants what it writes.
                let farewell = tokio::time::timeout(FAREWELL_LIMIT, daemon.cancel(id)).await;
                if !matches!(farewell, Ok(Ok(_))) {
                    report::error(&format!("job {id} may go on: `kiln job cancel {id}` ends it"));
                }
                Err(error.into())
            }
            Self::Uncancelled { cause } => {
                Err(anyhow::Error::new(cause).context(format!("could not cancel job {id}")))
            }
            Self::Left => {
                report::error(&format!("left job {id}; `kiln job get {id}` tells how it ends"));
                Ok(exit_code::CANCELLED)
            }
            Self::Unread => {
                report::error("cancelled; the end of the output is left out, nobody reads it");
                Ok(exit_code::CANCELLED)
            }
            Self::Overdue { limit } => {
                report::error(&format!(
                    "job {id} was cancelled and has not ended within {} s; `kiln job get {id}` \
                     tells how it goes on",
                    limit.as_secs(),
                ));
                Ok(exit_code::CANCELLED)
            }
        }
    }
}

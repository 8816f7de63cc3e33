//! How `kiln run` came to its end, and what it says and exits with then.

use std::time::Duration;

use serde::Serialize;

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

/// The record of what has ended.
pub(crate) trait Ended: Serialize {
    fn job(&self) -> &Job;
}

impl Ended for Job {
    fn job(&self) -> &Job {
        self
    }
}

#[derive(Debug)]
pub(crate) enum Ending<J = Job> {
    Ended(Box<J>),
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

impl<J, N> Ending<(J, N)> {
    /// The record, and what came with it.
    pub(crate) fn apart(self) -> (Ending<J>, Option<N>) {
        match self {
            Self::Ended(ended) => {
                let (record, notes) = *ended;
                (Ending::Ended(Box::new(record)), Some(notes))
            }
            Self::Output(error) => (Ending::Output(error), None),
            Self::Left => (Ending::Left, None),
            Self::Unread => (Ending::Unread, None),
            Self::Uncancelled { cause } => (Ending::Uncancelled { cause }, None),
            Self::Overdue { limit } => (Ending::Overdue { limit }, None),
        }
    }
}

impl<J: Ended> Ending<J> {
    /// Says what has to be said and gives back the exit code.
    ///
    /// # Cancel safety
    /// Safe: only words are lost.
    pub(crate) async fn tell(self, daemon: &Daemon, id: &str, json: bool) -> anyhow::Result<u8> {
        match self {
            Self::Ended(ended) => {
                let job = ended.job();
                if let Some(reason) = reason::of(job) {
                    report::error(&reason);
                }
                if json {
                    let mut output = Output::start()?;
                    output.write(Stream::Stdout, output::json_line(&*ended)?.into()).await?;
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

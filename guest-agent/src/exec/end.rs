//! The end of a command: its main process is gone or must go, and nothing that it started stays.

use std::time::Duration;

use kiln_proto::agent::v1::{DiskFull, ExecExited, ExecRefused, exec_exited::Status as WireStatus};
use tokio::{
    sync::oneshot::error::RecvError,
    time::{Instant, sleep, timeout_at},
};

use super::{run::End, running::Cause};
use crate::{
    disk_watch::{self, Watching},
    group::{Group, Memory},
    kmsg,
    reaper::{Exit, ExitStatus},
};

/// How long processes get to die of SIGKILL. One that is stuck in the kernel takes longer, perhaps
/// for ever; a big one takes a moment to give its memory back.
pub(super) const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How often a killed group is looked at; at first more often.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
const KILLED: ExitStatus = ExitStatus::Signal(libc::SIGKILL);

/// A command of which nothing runs any more, as far as that could be had.
#[derive(Debug)]
pub(super) struct Ended {
    cause: Cause,
    /// `None` when the main process cannot be killed.
    status: Option<ExitStatus>,
    duration: Duration,
    unkillable: u32,
}

/// The table of the reaper drops a sender unused only when the reaper itself is dropped, and that
/// lives as long as the agent.
pub(super) fn status(status: Result<ExitStatus, RecvError>) -> ExitStatus {
    status.unwrap_or(KILLED)
}

impl Ended {
    /// Kills what is left of the group and waits, within [`KILL_LIMIT`], until it is gone.
    pub(super) async fn bury(group: &dyn Group, cause: Cause, exit: Exit, at: Instant) -> Self {
        let mut duration = at.elapsed();
        let limit = Instant::now() + KILL_LIMIT;
        let mut status_known = match cause {
            Cause::Exited(status) => Some(status),
            _ => None,
        };
        if (status_known.is_none() || !is_empty(group))
            && let Err(error) = group.kill()
        {
            kmsg::error(format_args!("a command cannot be killed: {error}"));
        }
        if status_known.is_none() {
            status_known = timeout_at(limit, exit).await.ok().map(status);
            duration = at.elapsed();
        }
        let unkillable = survivors(group, limit).await;
        Self { cause, status: status_known, duration, unkillable }
    }

    /// What every host is told.
    pub(super) async fn into_end(self, group: &dyn Group, watching: Watching) -> End {
        let Self { cause, status, duration, unkillable } = self;
        let Memory { peak_bytes, kills } = group.memory();
        let (timed_out, out_of_memory) = match cause {
            Cause::NoProgram(refusal) => return End::Refused(ExecRefused::from(&refusal)),
            // Nobody is told, or told by what has stopped it.
            Cause::Abandoned | Cause::Stopped => (false, false),
            // The kernel counts before it kills. When the main process was not killed, it was a
            // group further down that ran out, and the command has lived to tell of it.
            Cause::Exited(status) => (false, kills > 0 && status == KILLED),
            // Killed by the agent, whatever the kernel has killed besides.
            Cause::TimedOut => (true, false),
        };
        let exited = ExecExited {
            status: Some(match status.unwrap_or(KILLED) {
                ExitStatus::Code(code) => WireStatus::Code(code),
                ExitStatus::Signal(signal) => WireStatus::Signal(signal),
            }),
            out_of_memory,
            timed_out,
            memory_peak_bytes: peak_bytes,
            duration_nanos: u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
            disk_full: watching.finish().await.map(DiskFull::from),
            unkillable,
        };
        End::Exited(exited)
    }
}

/// How many processes are left when the limit is reached; returns earlier when there are none.
async fn survivors(group: &dyn Group, limit: Instant) -> u32 {
    let mut pause = Duration::from_millis(1);
    while !is_empty(group) {
        if Instant::now() >= limit {
            let count = group.count().unwrap_or(0).max(1);
            kmsg::error(format_args!("{count} processes of a command outlived SIGKILL"));
            return count;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    0
}

/// A group that does not answer counts as occupied: the limit ends the wait.
fn is_empty(group: &dyn Group) -> bool {
    group.is_empty().unwrap_or(false)
}

impl From<disk_watch::DiskFull> for DiskFull {
    fn from(full: disk_watch::DiskFull) -> Self {
        let disk_watch::DiskFull { size_bytes, inodes } = full;
        // The scratch disk is the upper layer of the guest's one root.
        Self { mount: "/".to_owned(), size_bytes, inodes }
    }
}

//! Child processes of kilnd's own that cannot be forgotten. A machine's are its supervisor's.
//!
//! A [`Supervised`] child is killed when its owner drops it, and when kilnd itself dies, however
//! that happens. One thread, the keeper, forks, drains and reaps every child: it does not depend on
//! a runtime, so nothing is left over when one shuts down.

mod keeper;
mod program;
mod spawn;

use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use rustix::process::{Signal, pidfd_send_signal};
use tokio::sync::watch;

use super::tail::Tail;

pub use self::program::{Program, Stdout};

/// How much of a child's stderr is kept.
const STDERR_BYTES: usize = 8 * 1024;

/// A running child and what is known of it. Dropping it kills the child at once; the keeper reaps.
#[derive(Debug)]
pub struct Supervised {
    program: String,
    pid: u32,
    /// Shared with the keeper, which waits on it.
    pidfd: Arc<OwnedFd>,
    /// Published by the keeper when the child has been reaped and its pipes are drained.
    exit: watch::Receiver<Option<ProcessExit>>,
    stderr: Tail,
    stdout: Option<Tail>,
}

/// How a child ended, as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessExit {
    Code(i32),
    Signal(i32),
}

impl Supervised {
    /// Starts `program`.
    ///
    /// # Cancel safety
    /// Safe: a child that was started for a caller who has gone is killed.
    pub async fn spawn(program: Program) -> io::Result<Self> {
        keeper::spawn(program).await
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Resolves when the child has been reaped.
    ///
    /// # Cancel safety
    /// Safe: nothing is consumed.
    pub async fn wait(&self) -> ProcessExit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await.map(|exit| *exit) {
            Ok(Some(exit)) => exit,
            // The keeper is gone without a word: then its thread has ended, and with it, by
            // PDEATHSIG, every child that it forked.
            Ok(None) | Err(_) => ProcessExit::Signal(Signal::KILL.as_raw()),
        }
    }

    /// How it ended, if it has.
    pub fn exited(&self) -> Option<ProcessExit> {
        *self.exit.borrow()
    }

    /// Sends SIGKILL; returns at once. A child that has ended is left alone: the pidfd names this
    /// very process for ever, whatever becomes of its number.
    pub fn kill(&self) {
        let _gone = pidfd_send_signal(self.pidfd.as_fd(), Signal::KILL);
    }

    /// The end of what it wrote to stderr, fit to be shown.
    pub fn stderr(&self) -> String {
        let (bytes, _) = self.stderr.snapshot();
        let text = String::from_utf8_lossy(&bytes);
        text.trim().lines().map(crate::guest::text::printable).collect::<Vec<_>>().join("\n")
    }

    /// The end of what it wrote to stdout, if that was asked for.
    pub fn stdout(&self) -> Option<&Tail> {
        self.stdout.as_ref()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if self.exited().is_none() {
            tracing::trace!(program = self.program, pid = self.pid, "killing a dropped child");
            self.kill();
        }
    }
}

impl fmt::Display for ProcessExit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exited with code {code}"),
            Self::Signal(signal) => write!(formatter, "was killed by signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests;

//! How a command ended.

use rustix::process::WaitStatus;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Exited(u8),
    Killed(i32),
    /// With docker's status for why.
    NotStarted(u8),
}

impl Ended {
    /// Nothing but an end is asked for, so there is no stopped or continued process.
    pub(super) fn of(status: WaitStatus) -> Option<Self> {
        let exited = status.exit_status().and_then(|code| u8::try_from(code & 0xff).ok());
        let exited = exited.map(Self::Exited);
        exited.or_else(|| status.terminating_signal().map(Self::Killed))
    }

    /// As docker has it.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Exited(status) | Self::NotStarted(status) => status,
            Self::Killed(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }
}

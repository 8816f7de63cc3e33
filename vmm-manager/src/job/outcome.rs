//! How a job ended.

use super::Failure;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Completed,
    /// With the command's exit, when there was one.
    Failed {
        failure: Failure,
        exit: Option<ExitStatus>,
    },
    Cancelled,
    Timeout,
}

/// What the job's command came to, written down before its outputs are taken. It becomes the job's
/// outcome unless the outputs of work that succeeded cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandEnd {
    pub outcome: Outcome,
}

/// How a command ended, as a shell would show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus {
    /// The exit code, or 128 + the signal.
    pub code: i32,
    pub signal: Option<i32>,
}

impl ExitStatus {
    pub const SUCCESS: Self = Self::code(0);

    pub const fn code(code: i32) -> Self {
        Self { code, signal: None }
    }

    pub const fn signal(signal: i32) -> Self {
        Self { code: 128 + signal, signal: Some(signal) }
    }

    pub const fn is_success(self) -> bool {
        self.code == 0
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed { failure, exit: None }
    }
}

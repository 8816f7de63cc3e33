//! What a child that could not execute its program tells the agent, through a pipe that closes by
//! itself when the program is executed.

use rustix::io::Errno;

/// A pipe takes so few bytes at once or not at all.
pub(crate) const REPORT_BYTES: usize = 8;

/// What the child was at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Session, standard streams and identity: the agent's own part.
    Prepare = 1,
    WorkingDirectory = 2,
    Execute = 3,
    /// The file is there; the interpreter that it names is not.
    Interpreter = 4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    /// Which of the image's candidates, when one was tried.
    pub(crate) candidate: u16,
    pub(crate) errno: i32,
}

impl Failure {
    pub(crate) fn new(stage: Stage, errno: Errno) -> Self {
        Self { stage, candidate: 0, errno: errno.raw_os_error() }
    }

    pub(crate) fn encode(self) -> [u8; REPORT_BYTES] {
        let [low, high] = self.candidate.to_le_bytes();
        let [a, b, c, d] = self.errno.to_le_bytes();
        [self.stage as u8, 0, low, high, a, b, c, d]
    }

    pub(crate) fn decode(bytes: [u8; REPORT_BYTES]) -> Self {
        let [stage, _, low, high, a, b, c, d] = bytes;
        let stage = match stage {
            2 => Stage::WorkingDirectory,
            3 => Stage::Execute,
            4 => Stage::Interpreter,
            // 1; and nobody but a child of ours writes here.
            _ => Stage::Prepare,
        };
        let candidate = u16::from_le_bytes([low, high]);
        Self { stage, candidate, errno: i32::from_le_bytes([a, b, c, d]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_pipe() {
        for stage in [Stage::Prepare, Stage::WorkingDirectory, Stage::Execute, Stage::Interpreter] {
            let failure = Failure { stage, candidate: 259, errno: 1_000_000 };
            assert_eq!(Failure::decode(failure.encode()), failure);
        }
    }
}

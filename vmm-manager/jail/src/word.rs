//! What a child says to its parent between fork and exec.
//!
//! Words of fixed size on a pipe that the exec closes: how it is confined, or what went wrong. No
//! word at all is the end of a child that was killed.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::io::{Errno, read, write};

use crate::{CoreScheduling, Step, failure::errno};

const BYTES: usize = 12;

const ENTERED: u32 = 1;
const STEP: u32 = 2;
const CGROUP: u32 = 3;
const MOUNT: u32 = 4;
const EXEC: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// The program is next.
    Entered {
        core_scheduling: CoreScheduling,
    },
    Failed(Setback),
}

/// What stopped a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setback {
    pub(crate) at: Place,
    pub(crate) errno: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Step(Step),
    /// The cgroup of this index.
    Cgroup(u32),
    /// The jail's path of this index.
    Mount(u32),
    Exec,
}

impl Setback {
    pub(crate) fn step(step: Step, error: impl Into<io::Error>) -> Self {
        Self { at: Place::Step(step), errno: errno(&error.into()) }
    }

    pub(crate) fn cgroup(index: usize, error: impl Into<io::Error>) -> Self {
        Self { at: Place::Cgroup(number(index)), errno: errno(&error.into()) }
    }

    pub(crate) fn mount(index: usize, error: impl Into<io::Error>) -> Self {
        Self { at: Place::Mount(number(index)), errno: errno(&error.into()) }
    }

    pub(crate) fn exec(error: impl Into<io::Error>) -> Self {
        Self { at: Place::Exec, errno: errno(&error.into()) }
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl Word {
    /// In the child. Nobody can be told that it failed.
    pub(crate) fn say(self, to: impl AsFd) {
        let _told = write(to, &self.bytes());
    }

    /// All that was said, until the other end is closed.
    pub(crate) fn hear(from: &OwnedFd) -> Vec<Self> {
        let mut words = Vec::new();
        let mut bytes = [0; BYTES];
        loop {
            // Shorter than what a pipe takes at once: a word is read whole.
            match read(from, &mut bytes) {
                Ok(BYTES) => words.extend(Self::of(bytes)),
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return words,
            }
        }
    }

    fn bytes(self) -> [u8; BYTES] {
        let (kind, detail, errno) = match self {
            Self::Entered { core_scheduling } => (ENTERED, core_scheduling as u32, 0),
            Self::Failed(Setback { at, errno }) => match at {
                Place::Step(step) => (STEP, step as u32, errno),
                Place::Cgroup(index) => (CGROUP, index, errno),
                Place::Mount(index) => (MOUNT, index, errno),
                Place::Exec => (EXEC, 0, errno),
            },
        };
        let mut bytes = [0; BYTES];
        bytes[..4].copy_from_slice(&kind.to_ne_bytes());
        bytes[4..8].copy_from_slice(&detail.to_ne_bytes());
        bytes[8..].copy_from_slice(&errno.to_ne_bytes());
        bytes
    }

    fn of(bytes: [u8; BYTES]) -> Option<Self> {
        let part = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let (kind, detail) = (u32::from_ne_bytes(part(0)), u32::from_ne_bytes(part(4)));
        let errno = i32::from_ne_bytes(part(8));
        let at = match kind {
            ENTERED => {
                let all = CoreScheduling::ALL;
                let core_scheduling = all.into_iter().find(|known| *known as u32 == detail)?;
                return Some(Self::Entered { core_scheduling });
            }
            STEP => Place::Step(Step::ALL.into_iter().find(|known| *known as u32 == detail)?),
            CGROUP => Place::Cgroup(detail),
            MOUNT => Place::Mount(detail),
            EXEC => Place::Exec,
            _ => return None,
        };
        Some(Self::Failed(Setback { at, errno }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_heard_as_it_was_said() {
        let mut all: Vec<Word> = CoreScheduling::ALL
            .into_iter()
            .map(|core_scheduling| Word::Entered { core_scheduling })
            .collect();
        let places = Step::ALL.into_iter().map(Place::Step);
        let places = places.chain([Place::Cgroup(1), Place::Mount(200), Place::Exec]);
        all.extend(places.map(|at| Word::Failed(Setback { at, errno: libc::EPERM })));
        let (ours, theirs) = rustix::pipe::pipe().unwrap();
        for word in &all {
            word.say(&theirs);
        }
        drop(theirs);
        assert_eq!(Word::hear(&ours), all);
    }
}

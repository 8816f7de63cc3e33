//! The starter's hold on a machine that it has not yet taken over.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
};

use crate::COMMITTED;

#[derive(Debug)]
pub(super) enum Leash {
    Held {
        stdin: OwnedFd,
        said: Vec<u8>,
    },
    /// The machine is on its own.
    Free,
    /// The starter is gone, or has given up.
    Cut,
}

impl Leash {
    pub(super) fn held(stdin: OwnedFd) -> Self {
        Self::Held { stdin, said: Vec::new() }
    }

    pub(super) fn cut(&mut self) {
        *self = Self::Cut;
    }

    pub(super) fn is_cut(&self) -> bool {
        matches!(self, Self::Cut)
    }

    /// What to poll, while there is something to hear.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Held { stdin, .. } => Some(stdin.as_fd()),
            Self::Free | Self::Cut => None,
        }
    }

    /// Whether its other end has been let go of, without reading from it.
    pub(super) fn is_slack(&self) -> bool {
        let Some(stdin) = self.descriptor() else { return self.is_cut() };
        let mut events = [PollFd::from_borrowed_fd(stdin, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut events, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// Hears what is there; to be called when it is readable.
    pub(super) fn hear(&mut self) {
        let Self::Held { stdin, said } = self else { return };
        let mut buffer = [0; 64];
        match read(&*stdin, &mut buffer) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(0) | Err(_) => self.cut(),
            Ok(length) => {
                said.extend_from_slice(&buffer[..length]);
                if said == COMMITTED {
                    *self = Self::Free;
                } else if !COMMITTED.starts_with(said) {
                    self.cut();
                }
            }
        }
    }
}

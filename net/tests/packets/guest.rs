//! The guest: whoever holds the descriptor of a TAP is one.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What tells how much of a frame is left to do: nothing, in what we send.
const TODO_BYTES: usize = 10;

pub(crate) struct Guest {
    tap: File,
}

impl Guest {
    pub(crate) fn new(tap: OwnedFd) -> Self {
        rustix::io::ioctl_fionbio(&tap, true).unwrap();
        Self { tap: tap.into() }
    }

    /// Whether it was taken: a device that is gone or down takes none.
    pub(crate) fn try_send(&self, frame: &[u8]) -> io::Result<()> {
        let mut bytes = vec![0; TODO_BYTES];
        bytes.extend_from_slice(frame);
        (&self.tap).write_all(&bytes)
    }

    pub(crate) fn send(&self, frame: &[u8]) {
        self.try_send(frame).unwrap();
    }

    /// What has come up to now.
    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut buffer = vec![0; 70_000];
        while let Ok(length) = (&self.tap).read(&mut buffer) {
            frames.push(buffer[TODO_BYTES.min(length)..length].to_vec());
        }
        frames
    }

    /// Waits for the first that `find` finds something in.
    pub(crate) fn wait<T>(
        &self,
        patience: Duration,
        find: impl Fn(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut buffer = vec![0; 70_000];
        while Instant::now() < deadline {
            match (&self.tap).read(&mut buffer) {
                Ok(length) => {
                    if let Some(found) = find(&buffer[TODO_BYTES.min(length)..length]) {
                        return Some(found);
                    }
                }
                Err(_) => self.readable(deadline.saturating_duration_since(Instant::now())),
            }
        }
        None
    }

    fn readable(&self, patience: Duration) {
        let timeout = Timespec::try_from(patience).unwrap();
        let mut fds = [PollFd::new(&self.tap, PollFlags::IN)];
        poll(&mut fds, Some(&timeout)).unwrap();
    }
}

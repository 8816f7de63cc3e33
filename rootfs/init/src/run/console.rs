//! The machine's console: what the command writes, and between that the init's own lines.

use std::{
    fs::OpenOptions,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt as _,
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl},
    io::{Errno, fcntl_dupfd_cloexec, write},
};

const DEVICE: &str = "/dev/console";
/// Beyond it the command waits for the console.
const ROOM: usize = 64 * 1024;
/// Of the standard streams.
const FIRST_FREE: i32 = 3;

#[derive(Debug)]
pub(super) struct Console {
    /// `None` when the kernel gave none, and there is none yet.
    device: Option<OwnedFd>,
    pending: Vec<u8>,
    /// Whether what was written last has ended its line.
    line_ended: bool,
}

impl Console {
    /// The kernel's own, which process 1 has for its standard streams. Where the kernel had none to
    /// give, the numbers of the streams are taken, so that nothing else is opened under them.
    pub(super) fn open() -> Self {
        // SAFETY: whether it is open is what is asked; as long as this runs nobody closes it.
        let stream = unsafe { BorrowedFd::borrow_raw(libc::STDOUT_FILENO) };
        let device = fcntl_dupfd_cloexec(stream, FIRST_FREE).ok();
        while device.is_none() {
            match rustix::fs::open("/", OFlags::PATH, Mode::empty()) {
                Ok(filler) if std::os::fd::AsRawFd::as_raw_fd(&filler) < FIRST_FREE => {
                    std::mem::forget(filler);
                }
                _ => break,
            }
        }
        if let Some(device) = &device {
            never_wait(device.as_fd());
        }
        Self { device, pending: Vec::new(), line_ended: true }
    }

    /// Once devices are there.
    pub(super) fn reopen(&mut self) {
        if self.device.is_none() {
            let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
            let opened = OpenOptions::new().write(true).custom_flags(flags).open(DEVICE);
            self.device = opened.ok().map(OwnedFd::from);
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < ROOM
    }

    /// What to wait for until [`Self::write_some`] gets further.
    pub(super) fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        self.device.as_ref().filter(|_| !self.pending.is_empty()).map(AsFd::as_fd)
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        self.line_ended = bytes.last().map_or(self.line_ended, |byte| *byte == b'\n');
    }

    /// A line of the init's, which stands alone.
    pub(super) fn say(&mut self, line: &str) {
        let start = if self.line_ended { "" } else { "\n" };
        let line: String =
            line.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
        self.take(format!("{start}kiln-init: {line}\n").as_bytes());
        self.write_some();
    }

    /// As much as the console takes now.
    pub(super) fn write_some(&mut self) {
        let Some(device) = &self.device else { return };
        let mut written = 0;
        while let Some(rest) = self.pending.get(written..).filter(|rest| !rest.is_empty()) {
            match write(device, rest) {
                Ok(length) => written += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                // Nobody is there to read it, and nobody to be told.
                Err(_) => written = self.pending.len(),
            }
        }
        self.pending.drain(..written.min(self.pending.len()));
    }

    /// All of it, within a limit.
    pub(super) fn flush(&mut self, limit: Duration) {
        let start = Instant::now();
        self.write_some();
        while let (Some(device), Some(left)) =
            (self.waits_for(), limit.checked_sub(start.elapsed()))
        {
            let Ok(left) = Timespec::try_from(left) else { return };
            match poll(&mut [PollFd::new(&device, PollFlags::OUT)], Some(&left)) {
                Ok(_) | Err(Errno::INTR) => self.write_some(),
                Err(_) => return,
            }
        }
    }
}

/// A console that is slow or stopped must not stop the init.
fn never_wait(device: BorrowedFd<'_>) {
    let set = fcntl_getfl(device).and_then(|flags| fcntl_setfl(device, flags | OFlags::NONBLOCK));
    // A console of which that cannot be said is waited for.
    let _: Result<(), io::Error> = set.map_err(Into::into);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_inits_stands_alone() {
        let mut console = Console { device: None, pending: Vec::new(), line_ended: true };
        console.say("one");
        console.take(b"two");
        console.say("three\nkiln-init: exit 0");
        console.take(b"four\n");
        console.take(b"");
        console.say("five");
        let expected = "kiln-init: one\ntwo\nkiln-init: three kiln-init: exit 0\nfour\n\
            kiln-init: five\n";
        assert_eq!(String::from_utf8_lossy(&console.pending), expected);
    }

    #[test]
    fn what_nobody_reads_is_given_up_after_the_limit() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        never_wait(write.as_fd());
        let mut console = Console { device: Some(write), pending: Vec::new(), line_ended: true };
        console.take(&vec![b'x'; 1024 * 1024]);
        let start = Instant::now();
        console.flush(Duration::from_millis(50));
        assert!(start.elapsed() >= Duration::from_millis(50));
        assert!(!console.has_room());
        drop(read);
        console.flush(Duration::from_secs(60));
        assert!(console.has_room() && console.waits_for().is_none());
    }
}

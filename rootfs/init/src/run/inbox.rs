//! What reaches process 1: signals, and the power button.

use std::{
    io::{self, Read as _},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd},
    ptr,
};

use super::button::Buttons;

/// `struct signalfd_siginfo`, which starts with the signal's number.
const RECORD_BYTES: usize = 128;

/// Signals are blocked, and read where everything else is waited for.
#[derive(Debug)]
pub(super) struct Inbox {
    signals: std::fs::File,
    pub(super) buttons: Buttons,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Some process has ended.
    Child,
    /// The machine is wanted off: `SIGTERM`, ctrl-alt-del (`SIGINT`), a failing supply (`SIGPWR`).
    Stop,
    /// For the command, which in a container would be process 1 itself.
    Forward(i32),
    /// Nobody's.
    Nothing,
}

impl Inbox {
    pub(super) fn open() -> io::Result<Self> {
        let mut all = MaybeUninit::uninit();
        // SAFETY: `sigfillset` initialises the set, which the others read. Nothing of this process
        // counts on a signal that is not blocked.
        let signals = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut());
            libc::signalfd(-1, all.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if signals < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and nobody else's.
        let signals = unsafe { OwnedFd::from_raw_fd(signals) };
        Ok(Self { signals: signals.into(), buttons: Buttons::default() })
    }

    pub(super) fn signals(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }

    /// The next one; `None` when there is none now.
    pub(super) fn next(&mut self) -> io::Result<Option<Message>> {
        let mut record = [0; RECORD_BYTES];
        match self.signals.read(&mut record) {
            Ok(_) => {
                let [a, b, c, d, ..] = record;
                Ok(Some(Message::of(i32::from_ne_bytes([a, b, c, d]))))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Some(Message::Nothing)),
            Err(error) => Err(error),
        }
    }
}

impl Message {
    fn of(signal: i32) -> Self {
        match signal {
            libc::SIGCHLD => Self::Child,
            libc::SIGTERM | libc::SIGINT | libc::SIGPWR => Self::Stop,
            // The init's own: of what it writes to.
            libc::SIGPIPE | libc::SIGTTOU | libc::SIGTTIN => Self::Nothing,
            other => Self::Forward(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_a_meaning() {
        assert_eq!(Message::of(libc::SIGCHLD), Message::Child);
        for stop in [libc::SIGTERM, libc::SIGINT, libc::SIGPWR] {
            assert_eq!(Message::of(stop), Message::Stop);
        }
        for other in [libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGQUIT, 40] {
            assert_eq!(Message::of(other), Message::Forward(other));
        }
        assert_eq!(Message::of(libc::SIGPIPE), Message::Nothing);
    }
}

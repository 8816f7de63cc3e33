//! The agent's end of a pipe or of a terminal.

use std::{
    io::{self, ErrorKind},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::io::{Errno, ioctl_fionbio};
use tokio::io::{Interest, unix::AsyncFd};

/// Reading and writing share it where it is a terminal.
#[derive(Debug)]
pub(super) struct Pipe(AsyncFd<OwnedFd>);

impl Pipe {
    pub(super) fn reader(fd: OwnedFd) -> io::Result<Self> {
        Self::new(fd, Interest::READABLE)
    }

    pub(super) fn writer(fd: OwnedFd) -> io::Result<Self> {
        Self::new(fd, Interest::WRITABLE)
    }

    pub(super) fn both(fd: OwnedFd) -> io::Result<Self> {
        Self::new(fd, Interest::READABLE | Interest::WRITABLE)
    }

    fn new(fd: OwnedFd, interest: Interest) -> io::Result<Self> {
        ioctl_fionbio(&fd, true)?;
        // SAFETY: an `OwnedFd` is open, is the same one as long as it lives, and is closed by its
        // owner alone, which is the `AsyncFd`.
        let registered = unsafe { AsyncFd::register_with_interest(fd, interest) };
        Ok(Self(registered.map_err(|failed| failed.into_parts().1)?))
    }

    /// 0 at the end.
    ///
    /// # Cancel safety
    /// Safe: nothing was read.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            if let Ok(read) = ready.try_io(|_| self.read_now(buffer)) {
                return read;
            }
        }
    }

    /// Asks the kernel and not the runtime, whose knowledge of what is readable may be older than
    /// the end of the last process. [`ErrorKind::WouldBlock`] when there is nothing.
    pub(super) fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::io::read(&self.0, &mut *buffer) {
                Err(Errno::INTR) => {}
                // A terminal whose other end nobody has open any more.
                Err(Errno::IO) => return Ok(0),
                read => return Ok(read?),
            }
        }
    }

    pub(super) async fn write_all(&self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let mut ready = self.0.writable().await?;
            match ready.try_io(|pipe| Ok(rustix::io::write(pipe, data)?)) {
                Ok(Ok(written)) => data = &data[written..],
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_not_ready) => {}
            }
        }
        Ok(())
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

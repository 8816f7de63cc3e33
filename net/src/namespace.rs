//! Network namespaces, which have no names here: one is there as long as a process or a descriptor
//! is in it.
//!
//! A thread that has entered one never comes back: it ends. So the process that asks stays in its
//! own, whatever fails.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    panic, thread,
};

use rustix::{
    fs::fstat,
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe},
};

const OWN: &str = "/proc/thread-self/ns/net";

/// One of them.
#[derive(Debug)]
pub struct Namespace {
    file: OwnedFd,
}

impl Namespace {
    /// A new one, with nothing in it.
    pub fn make() -> io::Result<Self> {
        apart(|| {
            // SAFETY: it changes the network namespace of this thread, which ends right after; no
            // other thread shares it.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
            Self::own()
        })
    }

    /// The one that this thread is in.
    pub fn own() -> io::Result<Self> {
        Ok(Self { file: File::open(OWN)?.into() })
    }

    /// The one that a process is in.
    pub fn of_process(pid: u32) -> io::Result<Self> {
        Ok(Self { file: File::open(format!("/proc/{pid}/ns/net"))?.into() })
    }

    /// The one that this is a descriptor of.
    pub fn of(descriptor: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { file: descriptor.try_clone_to_owned()? })
    }

    /// Does `work` in it.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        apart(|| {
            move_into_link_name_space(self.as_fd(), Some(LinkNameSpaceType::Network))?;
            work()
        })
    }

    /// A number that no other one has while this one is there.
    pub fn number(&self) -> io::Result<u64> {
        Ok(fstat(&self.file)?.st_ino)
    }

    /// Another descriptor of the same.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.file.try_clone()
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// On a thread that ends with it.
fn apart<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread =
            thread::Builder::new().name("namespace".to_owned()).spawn_scoped(scope, work)?;
        thread.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    })
}

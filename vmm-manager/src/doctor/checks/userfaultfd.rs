//! Page faults that another process answers: how a machine's memory can be brought in while it runs.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use crate::doctor::report::{Area, Check};

const NAME: &str = "userfaultfd";
/// `_IOWR(0xaa, 0x3f, struct uffdio_api)`.
const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
const UFFD_API: u64 = 0xaa;

#[repr(C)]
struct Api {
    version: u64,
    features: u64,
    ioctls: u64,
}

pub(super) fn check() -> Check {
    match shake_hands() {
        Ok(()) => Check::ok(Area::Memory, NAME, "opened and spoken to"),
        Err(error) => {
            Check::note(Area::Memory, NAME, format!("cannot be used ({error}); no job needs it"))
                .mend("run as root, on a kernel with CONFIG_USERFAULTFD")
        }
    }
}

fn shake_hands() -> io::Result<()> {
    // SAFETY: takes flags alone.
    let opened =
        unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) };
    if opened < 0 {
        return Err(io::Error::last_os_error());
    }
    let number = i32::try_from(opened).map_err(io::Error::other)?;
    // SAFETY: opened just now, and nobody else's.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    let mut api = Api { version: UFFD_API, features: 0, ioctls: 0 };
    // SAFETY: the structure is the one that this request reads and writes.
    let answered = unsafe { libc::ioctl(descriptor.as_raw_fd(), UFFDIO_API, &raw mut api) };
    if answered < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

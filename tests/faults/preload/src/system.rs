//! System calls, past libc's functions.

use std::ffi::{CStr, c_int, c_long};

pub(crate) fn errno() -> c_int {
    // SAFETY: the location is the thread's own and always valid.
    unsafe { *libc::__errno_location() }
}

pub(crate) fn set_errno(error: c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = error }
}

/// All bytes, whatever it takes; gives up where the kernel refuses.
pub(crate) fn write_all(fd: c_int, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the buffer is valid for its length.
        let written = unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
        let Ok(written @ 1..) = usize::try_from(written) else { return };
        bytes = &bytes[written..];
    }
}

pub(crate) fn open(path: &CStr, flags: c_int) -> c_int {
    // SAFETY: the path ends with a zero.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags | libc::O_CLOEXEC,
            0o600,
        )
    };
    c_int::try_from(fd).unwrap_or(-1)
}

pub(crate) fn close(fd: c_int) {
    // SAFETY: closing takes any number.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}

/// The whole file; `None` where it cannot be read.
pub(crate) fn read_file(path: &CStr) -> Option<Vec<u8>> {
    let fd = open(path, libc::O_RDONLY);
    if fd < 0 {
        return None;
    }
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0_u8; 4096];
        // SAFETY: the buffer is valid for its length.
        let read = unsafe { libc::syscall(libc::SYS_read, fd, buffer.as_mut_ptr(), buffer.len()) };
        match usize::try_from(read) {
            Ok(0) | Err(_) => break,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
        }
    }
    close(fd);
    Some(bytes)
}

/// Bytes of a file that is open in whatever way.
pub(crate) fn read_back(fd: c_int, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let path = format!("/proc/self/fd/{fd}\0");
    let Ok(path) = CStr::from_bytes_with_nul(path.as_bytes()) else { return bytes };
    let again = open(path, libc::O_RDONLY);
    let offset = c_long::try_from(offset).unwrap_or(c_long::MAX);
    // SAFETY: the buffer is valid for its length.
    let read =
        unsafe { libc::syscall(libc::SYS_pread64, again, bytes.as_mut_ptr(), bytes.len(), offset) };
    close(again);
    bytes.truncate(usize::try_from(read).unwrap_or(0));
    bytes
}

pub(crate) fn exists(path: &CStr) -> bool {
    // SAFETY: the path ends with a zero.
    unsafe { libc::syscall(libc::SYS_faccessat, libc::AT_FDCWD, path.as_ptr(), libc::F_OK) == 0 }
}

pub(crate) fn kill_self() -> ! {
    loop {
        // SAFETY: takes no memory.
        unsafe { libc::syscall(libc::SYS_kill, libc::getpid(), libc::SIGKILL) };
    }
}

/// The inode's number and the length of what is open.
pub(crate) fn inode(fd: c_int) -> (u64, u64) {
    let mut status = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the buffer is a whole `stat`, and zeroes are a valid one.
    let status = unsafe {
        libc::fstat(fd, status.as_mut_ptr());
        status.assume_init()
    };
    (status.st_ino, u64::try_from(status.st_size).unwrap_or(0))
}

/// Of a name, which is not followed when it is a link; 0 where there is none.
pub(crate) fn inode_at(path: &CStr) -> u64 {
    let mut status = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: as above.
    let status = unsafe {
        libc::lstat(path.as_ptr(), status.as_mut_ptr());
        status.assume_init()
    };
    status.st_ino
}

pub(crate) fn position(fd: c_int) -> u64 {
    // SAFETY: takes no memory.
    let position = unsafe { libc::syscall(libc::SYS_lseek, fd, 0, libc::SEEK_CUR) };
    u64::try_from(position).unwrap_or(0)
}

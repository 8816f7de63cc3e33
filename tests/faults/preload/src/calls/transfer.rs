//! Bytes that come from another file.

use std::ffi::{c_int, c_long, c_uint};

use kiln_faults::Operation;
use libc::{off_t, off64_t, size_t, ssize_t};

use super::counted;
use crate::{
    decision::{Turn, decide},
    log::{Told, note},
    system,
    target::Target,
};

/// `offset` is where in the destination, or `None` for its position.
fn into(
    fd: c_int,
    count: size_t,
    offset: Option<u64>,
    call: impl FnOnce(size_t) -> c_long,
) -> ssize_t {
    let Some(target) = Target::of(fd) else { return counted(call(count)) };
    let (count, _held) = match decide(Operation::Write, &target) {
        Turn::Go(held) => (count, held),
        Turn::Short(held) => (count.div_ceil(2), held),
        Turn::Fail(error) => {
            system::set_errno(error);
            return -1;
        }
    };
    let moved = call(count);
    if let Ok(length @ 1..) = usize::try_from(moved)
        && target.session.record
    {
        let errno = system::errno();
        let offset = offset.unwrap_or_else(|| system::position(fd) - length as u64);
        let data = system::read_back(fd, offset, length);
        let inode = system::inode(fd).0;
        note(Operation::Write, &target, Told { inode, offset, data, other: None });
        system::set_errno(errno);
    }
    counted(moved)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_offset: *mut off64_t,
    to: c_int,
    to_offset: *mut off64_t,
    count: size_t,
    flags: c_uint,
) -> ssize_t {
    // SAFETY: null or valid, as libc's own demands.
    let offset = unsafe { to_offset.as_ref() }.map(|offset| u64::try_from(*offset).unwrap_or(0));
    into(to, count, offset, |count| {
        // SAFETY: as libc's own demands.
        unsafe {
            libc::syscall(libc::SYS_copy_file_range, from, from_offset, to, to_offset, count, flags)
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendfile(
    to: c_int,
    from: c_int,
    from_offset: *mut off_t,
    count: size_t,
) -> ssize_t {
    into(to, count, None, |count| {
        // SAFETY: as libc's own demands.
        unsafe { libc::syscall(libc::SYS_sendfile, to, from, from_offset, count) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendfile64(
    to: c_int,
    from: c_int,
    from_offset: *mut off64_t,
    count: size_t,
) -> ssize_t {
    // SAFETY: as libc's own demands.
    unsafe { sendfile(to, from, from_offset, count) }
}

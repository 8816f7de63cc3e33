//! `write` and its relatives.

use std::ffi::{c_int, c_long, c_void};

use kiln_faults::Operation;
use libc::{iovec, off_t, off64_t, size_t, ssize_t};

use super::counted;
use crate::{
    decision::{Turn, decide},
    log::{Told, note},
    system,
    target::Target,
};

/// Where in the file a write goes.
#[derive(Clone, Copy)]
enum Place {
    Position,
    Offset(off64_t),
}

/// Writes one buffer.
unsafe fn raw(fd: c_int, buffer: *const c_void, count: size_t, place: Place) -> c_long {
    // SAFETY: the caller's buffer, or ours; both are valid for `count` bytes.
    unsafe {
        match place {
            Place::Position => libc::syscall(libc::SYS_write, fd, buffer, count),
            Place::Offset(offset) => libc::syscall(libc::SYS_pwrite64, fd, buffer, count, offset),
        }
    }
}

/// # Safety
/// `buffer` is valid for `count` bytes.
unsafe fn one(fd: c_int, buffer: *const c_void, count: size_t, place: Place) -> ssize_t {
    let Some(target) = Target::of(fd) else {
        // SAFETY: the caller's promise.
        return counted(unsafe { raw(fd, buffer, count, place) });
    };
    let (count, _held) = match decide(Operation::Write, &target) {
        Turn::Go(held) => (count, held),
        Turn::Short(held) => (count.div_ceil(2), held),
        Turn::Fail(error) => {
            system::set_errno(error);
            return -1;
        }
    };
    // SAFETY: the caller's promise; no more than it said.
    let written = unsafe { raw(fd, buffer, count, place) };
    if let Ok(length @ 1..) = usize::try_from(written) {
        let offset = match place {
            // Also right for O_APPEND, where the position before says nothing.
            Place::Position => system::position(fd).saturating_sub(length as u64),
            Place::Offset(offset) => u64::try_from(offset).unwrap_or(0),
        };
        // SAFETY: the kernel has read as much from there.
        let data = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), length) }.to_vec();
        let inode = system::inode(fd).0;
        note(Operation::Write, &target, Told { inode, offset, data, other: None });
    }
    counted(written)
}

/// Several buffers become one; a vector that is not the plan's goes through as it is.
///
/// # Safety
/// `vectors` is an array of `count` valid buffers.
unsafe fn many(fd: c_int, vectors: *const iovec, count: c_int, place: Place) -> ssize_t {
    if Target::of(fd).is_none() {
        // SAFETY: the caller's promise. The kernel takes an offset as two halves, the low one first.
        return counted(unsafe {
            match place {
                Place::Position => libc::syscall(libc::SYS_writev, fd, vectors, count),
                Place::Offset(offset) => {
                    libc::syscall(libc::SYS_pwritev, fd, vectors, count, offset, 0)
                }
            }
        });
    }
    let mut bytes = Vec::new();
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the caller's promise.
        let vector = unsafe { &*vectors.add(index) };
        if vector.iov_len > 0 {
            // SAFETY: as above.
            bytes.extend_from_slice(unsafe {
                std::slice::from_raw_parts(vector.iov_base.cast::<u8>(), vector.iov_len)
            });
        }
    }
    // SAFETY: our own buffer.
    unsafe { one(fd, bytes.as_ptr().cast(), bytes.len(), place) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: as libc's own demands.
    unsafe { one(fd, buffer, count, Place::Position) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
    offset: off_t,
) -> ssize_t {
    // SAFETY: as libc's own demands.
    unsafe { one(fd, buffer, count, Place::Offset(offset)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
    offset: off64_t,
) -> ssize_t {
    // SAFETY: as libc's own demands.
    unsafe { one(fd, buffer, count, Place::Offset(offset)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, vectors: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: as libc's own demands.
    unsafe { many(fd, vectors, count, Place::Position) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwritev(
    fd: c_int,
    vectors: *const iovec,
    count: c_int,
    offset: off_t,
) -> ssize_t {
    // SAFETY: as libc's own demands.
    unsafe { many(fd, vectors, count, Place::Offset(offset)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwritev64(
    fd: c_int,
    vectors: *const iovec,
    count: c_int,
    offset: off64_t,
) -> ssize_t {
    // SAFETY: as libc's own demands.
    unsafe { many(fd, vectors, count, Place::Offset(offset)) }
}

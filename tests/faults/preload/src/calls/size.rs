//! `ftruncate` and `fallocate`.

use std::ffi::c_int;

use kiln_faults::Operation;
use libc::{off_t, off64_t};

use super::simple;
use crate::{
    log::{Told, note},
    system,
    target::Target,
};

fn truncate_open(fd: c_int, length: off64_t) -> c_int {
    // SAFETY: takes no memory.
    let raw = || unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) };
    let Some(target) = Target::of(fd) else { return c_int::try_from(raw()).unwrap_or(-1) };
    simple(Operation::Truncate, &target, raw, || {
        let (inode, offset) = (system::inode(fd).0, u64::try_from(length).unwrap_or(0));
        note(Operation::Truncate, &target, Told { inode, offset, ..Told::default() });
    })
}

fn allocate(fd: c_int, mode: c_int, offset: off64_t, length: off64_t) -> c_int {
    // SAFETY: takes no memory.
    let raw = || unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, offset, length) };
    let Some(target) = Target::of(fd) else { return c_int::try_from(raw()).unwrap_or(-1) };
    simple(Operation::Allocate, &target, raw, || {
        let inode = system::inode(fd).0;
        let data = [length.to_le_bytes(), i64::from(mode).to_le_bytes()].concat();
        let offset = u64::try_from(offset).unwrap_or(0);
        note(Operation::Allocate, &target, Told { inode, offset, data, other: None });
    })
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    truncate_open(fd, length)
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, length: off64_t) -> c_int {
    truncate_open(fd, length)
}

#[unsafe(no_mangle)]
extern "C" fn fallocate(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    allocate(fd, mode, offset, length)
}

#[unsafe(no_mangle)]
extern "C" fn fallocate64(fd: c_int, mode: c_int, offset: off64_t, length: off64_t) -> c_int {
    allocate(fd, mode, offset, length)
}

/// Unlike the others it answers the error itself.
#[unsafe(no_mangle)]
extern "C" fn posix_fallocate(fd: c_int, offset: off_t, length: off_t) -> c_int {
    if allocate(fd, 0, offset, length) == 0 { 0 } else { system::errno() }
}

#[unsafe(no_mangle)]
extern "C" fn posix_fallocate64(fd: c_int, offset: off64_t, length: off64_t) -> c_int {
    posix_fallocate(fd, offset, length)
}

//! `fsync` and `fdatasync`.

use std::ffi::{c_int, c_long};

use kiln_faults::Operation;

use super::simple;
use crate::{
    log::{Told, note},
    system,
    target::Target,
};

fn sync(fd: c_int, call: c_long) -> c_int {
    // SAFETY: takes no memory.
    let raw = || unsafe { libc::syscall(call, fd) };
    let Some(target) = Target::of(fd) else { return c_int::try_from(raw()).unwrap_or(-1) };
    simple(Operation::Sync, &target, raw, || {
        let inode = system::inode(fd).0;
        note(Operation::Sync, &target, Told { inode, ..Told::default() });
    })
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    sync(fd, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync(fd, libc::SYS_fdatasync)
}

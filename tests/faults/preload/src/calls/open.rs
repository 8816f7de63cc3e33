//! `open`, where it makes a file or empties one.

use std::{
    cell::Cell,
    ffi::{c_char, c_int, c_uint},
};

use kiln_faults::Operation;

use super::simple;
use crate::{
    log::{Told, note},
    system,
    target::Target,
};

/// libc's is variadic; the mode comes in the register where it would come to a function of four
/// arguments, or there is rubbish in it and nobody looks.
unsafe fn open_at(directory: c_int, name: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let raw = || {
        // SAFETY: as libc's own demands.
        let fd = unsafe { libc::syscall(libc::SYS_openat, directory, name, flags, mode) };
        c_int::try_from(fd).unwrap_or(-1)
    };
    let makes = flags & libc::O_CREAT != 0;
    if !makes && flags & libc::O_TRUNC == 0 {
        return raw();
    }
    // SAFETY: as libc's own demands.
    let Some(target) = (unsafe { Target::at(directory, name) }) else { return raw() };
    let was_there = system::exists(target.as_c());
    let operation = if was_there { Operation::Truncate } else { Operation::Create };
    if was_there && flags & libc::O_TRUNC == 0 {
        return raw();
    }
    let opened = Cell::new(-1);
    let call = || {
        opened.set(raw());
        opened.get().into()
    };
    simple(operation, &target, call, || {
        let inode = system::inode(opened.get()).0;
        note(operation, &target, Told { inode, ..Told::default() });
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open(name: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { open_at(libc::AT_FDCWD, name, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open64(name: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { open_at(libc::AT_FDCWD, name, flags | libc::O_LARGEFILE, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn openat(
    directory: c_int,
    name: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { open_at(directory, name, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn openat64(
    directory: c_int,
    name: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { open_at(directory, name, flags | libc::O_LARGEFILE, mode) }
}

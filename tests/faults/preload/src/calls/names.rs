//! What makes, moves and removes names.

use std::ffi::{c_char, c_int, c_long, c_uint};

use kiln_faults::Operation;
use libc::{AT_FDCWD, mode_t};

use super::simple;
use crate::{
    log::{Told, note},
    system,
    target::Target,
};

/// # Safety
/// `name` ends with a zero.
unsafe fn one(
    operation: Operation,
    directory: c_int,
    name: *const c_char,
    call: impl FnOnce() -> c_long,
) -> c_int {
    // SAFETY: the caller's promise.
    let Some(target) = (unsafe { Target::at(directory, name) }) else {
        return c_int::try_from(call()).unwrap_or(-1);
    };
    let inode = system::inode_at(target.as_c());
    simple(operation, &target, call, || {
        note(operation, &target, Told { inode, ..Told::default() });
    })
}

/// # Safety
/// Both names end with a zero.
unsafe fn two(
    operation: Operation,
    (directory, name): (c_int, *const c_char),
    (other_directory, other_name): (c_int, *const c_char),
    call: impl FnOnce() -> c_long,
) -> c_int {
    // SAFETY: the caller's promise.
    let (target, other) =
        unsafe { (Target::at(directory, name), Target::at(other_directory, other_name)) };
    let Some((target, other)) = target.zip(other) else {
        return c_int::try_from(call()).unwrap_or(-1);
    };
    simple(operation, &target, call, || {
        // Under either name it is the same one now.
        let inode = system::inode_at(other.as_c());
        note(operation, &target, Told { inode, other: Some(other.path()), ..Told::default() });
    })
}

/// # Safety
/// As libc's own demands.
unsafe fn rename_at(
    from: (c_int, *const c_char),
    to: (c_int, *const c_char),
    flags: c_uint,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        two(Operation::Rename, from, to, || {
            libc::syscall(libc::SYS_renameat2, from.0, from.1, to.0, to.1, flags)
        })
    }
}

/// The new name is the one that is noted.
///
/// # Safety
/// As libc's own demands.
unsafe fn link_at(old: (c_int, *const c_char), new: (c_int, *const c_char), flags: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        one(Operation::Link, new.0, new.1, || {
            libc::syscall(libc::SYS_linkat, old.0, old.1, new.0, new.1, flags)
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { rename_at((AT_FDCWD, from), (AT_FDCWD, to), 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn renameat(
    from_directory: c_int,
    from: *const c_char,
    to_directory: c_int,
    to: *const c_char,
) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { rename_at((from_directory, from), (to_directory, to), 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn renameat2(
    from_directory: c_int,
    from: *const c_char,
    to_directory: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { rename_at((from_directory, from), (to_directory, to), flags) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn link(old: *const c_char, new: *const c_char) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { link_at((AT_FDCWD, old), (AT_FDCWD, new), 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn linkat(
    old_directory: c_int,
    old: *const c_char,
    new_directory: c_int,
    new: *const c_char,
    flags: c_int,
) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { link_at((old_directory, old), (new_directory, new), flags) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(name: *const c_char) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { unlinkat(AT_FDCWD, name, 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rmdir(name: *const c_char) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { unlinkat(AT_FDCWD, name, libc::AT_REMOVEDIR) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlinkat(directory: c_int, name: *const c_char, flags: c_int) -> c_int {
    let operation = if flags & libc::AT_REMOVEDIR == 0 {
        Operation::Unlink
    } else {
        Operation::RemoveDirectory
    };
    // SAFETY: as libc's own demands.
    unsafe {
        one(operation, directory, name, || {
            libc::syscall(libc::SYS_unlinkat, directory, name, flags)
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mkdir(name: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe { mkdirat(AT_FDCWD, name, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mkdirat(directory: c_int, name: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: as libc's own demands.
    unsafe {
        one(Operation::MakeDirectory, directory, name, || {
            libc::syscall(libc::SYS_mkdirat, directory, name, mode)
        })
    }
}

//! Filters of system calls.

use std::ptr;

use rustix::io::Errno;

use super::child::attempt_in_child;
use crate::doctor::report::{Area, Check};

const NAME: &str = "seccomp";

pub(super) fn check() -> Check {
    // SAFETY: system calls alone.
    match unsafe { attempt_in_child(filter) } {
        Ok(()) => Check::ok(Area::Isolation, NAME, "a filter refuses what it is told to"),
        Err(error) => Check::missing(Area::Isolation, NAME, format!("no filter holds: {error}"))
            .mend("VMs are jailed with filters: use a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

/// Forbids itself one call, and makes it.
fn filter() -> Result<(), Errno> {
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
    let number = u32::try_from(libc::SYS_getppid).unwrap_or(u32::MAX);
    // BPF: loads the call's number; if it is that one, refuses; else allows.
    let mut program = [
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 1, number),
        instruction(0x06, 0, 0, refused),
        instruction(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
    // SAFETY: changes this process alone, which ends right after.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    // SAFETY: the program is as long as it is told to be, and copied by the kernel.
    checked(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter)
    })?;
    // SAFETY: takes no argument.
    let refused = unsafe { libc::syscall(libc::SYS_getppid, ptr::null::<u8>()) };
    match checked(refused) {
        Err(Errno::PERM) => Ok(()),
        Err(other) => Err(other),
        Ok(()) => Err(Errno::NOTRECOVERABLE),
    }
}

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

fn checked(returned: libc::c_long) -> Result<(), Errno> {
    if returned >= 0 {
        return Ok(());
    }
    // SAFETY: reads this thread's own variable.
    Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }))
}

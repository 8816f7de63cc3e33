//! Landlock: rules of files that a process sets for itself.

use std::mem::size_of;

use rustix::io::Errno;

use super::child::attempt_in_child;
use crate::{
    doctor::report::{Area, Check},
    host::landlock,
};

const NAME: &str = "Landlock";
/// `LANDLOCK_ACCESS_FS_READ_DIR`.
const READ_DIRECTORY: u64 = 1 << 3;

pub(super) fn check() -> Check {
    let Some(version) = landlock() else {
        return Check::warning(Area::Isolation, NAME, "the kernel has none")
            .mend("boot a kernel with CONFIG_SECURITY_LANDLOCK and landlock in lsm=");
    };
    // SAFETY: system calls alone.
    match unsafe { attempt_in_child(shut_in) } {
        Ok(()) => Check::ok(Area::Isolation, NAME, format!("version {version}, and it holds")),
        Err(error) => {
            let found = format!("version {version}, and a rule does not hold: {error}");
            Check::warning(Area::Isolation, NAME, found)
                .mend("look for another security module that stands in its way")
        }
    }
}

/// Forbids itself to read directories, and tries.
fn shut_in() -> Result<(), Errno> {
    let handled: u64 = READ_DIRECTORY;
    // SAFETY: a ruleset's first field alone, of the size that is told.
    let rules = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const handled,
            size_of::<u64>(),
            0 as libc::c_uint,
        )
    };
    checked(rules)?;
    // SAFETY: changes this process alone, which ends right after.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    // SAFETY: the same.
    checked(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules, 0 as libc::c_uint) })?;
    // SAFETY: the path ends with a zero.
    let opened = unsafe { libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY) };
    match checked(opened.into()) {
        Err(Errno::ACCESS) => Ok(()),
        Err(other) => Err(other),
        // It was to be refused.
        Ok(()) => Err(Errno::NOTRECOVERABLE),
    }
}

fn checked(returned: libc::c_long) -> Result<(), Errno> {
    if returned >= 0 {
        return Ok(());
    }
    // SAFETY: reads this thread's own variable.
    Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }))
}

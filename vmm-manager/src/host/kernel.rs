//! What this host's kernel can do to keep VMs apart, asked without a trace.

use std::{fs, ptr};

use kiln_jail::CoreScheduling;
use rustix::{
    io::Errno,
    process::getpid,
    thread::{CoreSchedulingScope, core_scheduling_cookie},
};

const SMT: &str = "/sys/devices/system/cpu/smt/active";
/// `LANDLOCK_CREATE_RULESET_VERSION`.
const VERSION: libc::c_uint = 1;

/// The version of Landlock's rules; `None` where there are none.
pub fn landlock() -> Option<u32> {
    // SAFETY: with this flag the kernel reads no memory of ours.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<u64>(), 0_usize, VERSION)
    };
    u32::try_from(version).ok().filter(|version| *version > 0)
}

/// Whether cores have more than one thread that runs.
pub fn has_threads() -> bool {
    fs::read(SMT).is_ok_and(|active| active.starts_with(b"1"))
}

/// What a VM that is started now would have.
pub fn core_scheduling() -> CoreScheduling {
    if !has_threads() {
        return CoreScheduling::NotNeeded;
    }
    match core_scheduling_cookie(getpid(), CoreSchedulingScope::Thread) {
        Err(Errno::INVAL | Errno::NODEV | Errno::NOSYS) => CoreScheduling::Unsupported,
        _ => CoreScheduling::Own,
    }
}

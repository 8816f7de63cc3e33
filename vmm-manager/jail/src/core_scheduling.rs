//! Cores whose other thread runs nothing of somebody else's meanwhile.

use std::fs;

use rustix::{
    io::{self, Errno},
    process::getpid,
    thread::{CoreSchedulingScope, create_core_scheduling_cookie},
};

use crate::CoreScheduling;

const ACTIVE: &str = "/sys/devices/system/cpu/smt/active";

/// Whether cores have more than one thread, as far as the host tells.
pub(crate) fn is_needed() -> bool {
    fs::read(ACTIVE).is_ok_and(|active| active.starts_with(b"1"))
}

/// Marks this process, and all that it will start, as trusting nobody. Neither allocates nor locks.
pub(crate) fn keep_apart(needed: bool) -> io::Result<CoreScheduling> {
    if !needed {
        return Ok(CoreScheduling::NotNeeded);
    }
    match create_core_scheduling_cookie(getpid(), CoreSchedulingScope::ThreadGroup) {
        Ok(()) => Ok(CoreScheduling::Own),
        // Not built into the kernel, or not with this kernel's idea of the processor.
        Err(Errno::INVAL | Errno::NODEV | Errno::NOSYS) => Ok(CoreScheduling::Unsupported),
        Err(error) => Err(error),
    }
}

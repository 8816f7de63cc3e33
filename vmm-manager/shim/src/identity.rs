//! Which process a number means.
//!
//! A process id is given again to others; a process id, the time of its start and the boot in which
//! that was are given once.

use std::{fs, io, os::fd::OwnedFd};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Of `/proc/PID/stat`, counted from the one behind the program's name.
const START_TIME_FIELD: usize = 19;

/// A process of this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    pub pid: u32,
    /// In the kernel's ticks since the boot.
    pub start_time: u64,
}

impl ProcessIdentity {
    /// Whoever has this number now.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start_time = start_time(&stat).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { pid, start_time })
    }

    pub fn own() -> io::Result<Self> {
        Self::of(std::process::id())
    }

    /// A descriptor that means this very process for ever; `None` when it is gone. A process that
    /// ended and was not yet reaped is still there.
    pub fn prove(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = self.pid.try_into().ok().and_then(Pid::from_raw) else { return Ok(None) };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            // Kernels before 6.15 call a number invalid whose process was reaped a moment ago, as they
            // do one of a thread that is no process.
            Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // The descriptor was there first. If it means another process, that one has the number and
        // its start is later than ours; if the number changes hands from here on, so is the start
        // that is read.
        match Self::of(self.pid) {
            Ok(now) => Ok((now == self).then_some(pidfd)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // It went away while it was read.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Of the running kernel; another one after each boot.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string(BOOT_ID)?.trim().to_owned())
}

fn start_time(stat: &str) -> Option<u64> {
    // The name may hold spaces and parentheses; no field behind it does.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(START_TIME_FIELD)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;

    #[test]
    fn a_start_is_found_whatever_a_program_is_called() {
        let rest = "S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1000 200";
        for name in ["sleep", "a b", ") S 1 2 3", "((", "x) R 9"] {
            assert_eq!(start_time(&format!("12 ({name}) {rest}")), Some(4711), "{name}");
        }
        assert_eq!(start_time(""), None);
        assert_eq!(start_time("12 (sleep) S 1"), None);
    }

    #[test]
    fn a_process_is_proven_and_no_other() {
        let own = ProcessIdentity::own().unwrap();
        assert!(own.prove().unwrap().is_some());
        let later = ProcessIdentity { start_time: own.start_time + 1, ..own };
        assert!(later.prove().unwrap().is_none());
        for pid in [0, u32::MAX, 0x7fff_ffff] {
            let nobody = ProcessIdentity { pid, start_time: own.start_time };
            assert!(nobody.prove().unwrap().is_none(), "{pid}");
        }
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "it is reaped through its descriptor")]
    fn one_that_was_reaped_is_gone() {
        let child = Command::new("/bin/true").spawn().unwrap();
        let identity = ProcessIdentity::of(child.id()).unwrap();
        let pidfd = identity.prove().unwrap().unwrap();
        waitid(WaitId::PidFd(std::os::fd::AsFd::as_fd(&pidfd)), WaitIdOptions::EXITED).unwrap();
        assert!(identity.prove().unwrap().is_none());
    }
}

//! What a child does to itself between fork and exec.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::PathBuf,
};

use rustix::{
    fs::{Mode, OFlags, open},
    io::write,
    process::{
        Pid, Resource, Rlimit, Signal, getpid, getppid, set_parent_process_death_signal, setrlimit,
        setsid,
    },
};

/// Prepared before the fork, so that nothing is allocated behind it.
#[derive(Debug)]
pub struct Birth {
    parent: Pid,
    /// The files to which a process writes itself.
    cgroups: Vec<CString>,
    /// Which descriptor of ours becomes which of the child's.
    descriptors: Vec<(RawFd, RawFd)>,
}

impl Birth {
    /// Of a child of this process.
    pub fn new() -> Self {
        Self { parent: getpid(), cgroups: Vec::new(), descriptors: Vec::new() }
    }

    /// In each of `directories`, from before its first instruction.
    pub fn in_cgroups(mut self, directories: &[PathBuf]) -> io::Result<Self> {
        for directory in directories {
            let file = directory.join("cgroup.procs");
            self.cgroups.push(CString::new(file.as_os_str().as_bytes())?);
        }
        Ok(self)
    }

    /// With `descriptor` under `number`. The caller keeps it until the child is started; none of
    /// the numbers may be one of the descriptors.
    pub fn give(&mut self, descriptor: &OwnedFd, number: RawFd) {
        self.descriptors.push((descriptor.as_raw_fd(), number));
    }

    /// To be called in the child, as the last thing before exec. It makes system calls and reads
    /// what was allocated before the fork; it neither allocates nor locks.
    pub fn apply(&self) -> io::Result<()> {
        for file in &self.cgroups {
            let file = open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
            // Whoever writes it.
            write(file, b"0")?;
        }
        setsid()?;
        // A core dump of a VMM is a copy of its guest's memory.
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
        // When the host runs out of memory, a guest goes before the one who answers for all of
        // them. Everybody may raise this; where /proc is missing, the kernel chooses by size as
        // ever.
        if let Ok(score) =
            open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        {
            let _ = write(score, b"500");
        }
        self.signals_and_descriptors()?;
        // Last, since a change of credentials would undo it.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // A parent that died before the line above sends no signal any more; then this process has
        // another parent by now.
        if getppid() != Some(self.parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    fn signals_and_descriptors(&self) -> io::Result<()> {
        // SAFETY: plain system calls, async-signal-safe all of them, on constants, on a mask on
        // this stack and on descriptor numbers that stay open in the parent until exec.
        unsafe {
            // What the parent ignores or holds back is not meant for the child.
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGPIPE, libc::SIGQUIT, libc::SIGTERM]
            {
                libc::signal(signal, libc::SIG_DFL);
            }
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
            // Marked, not closed: the channel on which the standard library reports a failed exec
            // is among them, and goes with the exec itself.
            let all = libc::syscall(
                libc::SYS_close_range,
                3,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            );
            if all != 0 {
                return Err(io::Error::last_os_error());
            }
            for &(ours, theirs) in &self.descriptors {
                if libc::dup2(ours, theirs) == -1 {
                    return Err(io::Error::last_os_error());
                }
            }
        }
        Ok(())
    }
}

impl Default for Birth {
    fn default() -> Self {
        Self::new()
    }
}

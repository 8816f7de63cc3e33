//! Fork and exec, as the keeper does it.

use std::{
    io,
    os::{
        fd::{AsRawFd, RawFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, Stdio},
};

use rustix::{
    fs::{Mode, OFlags, open},
    io::write,
    process::{
        Pid, Resource, Rlimit, Signal, getpid, getppid, set_parent_process_death_signal, setrlimit,
        setsid,
    },
};

use super::{Program, Stdout};

/// Starts `program`; must be called by a thread that lives as long as the process (see `keeper`).
pub(super) fn start(program: &Program) -> io::Result<Child> {
    let parent = getpid();
    let passed: Vec<RawFd> = program.passed.iter().map(AsRawFd::as_raw_fd).collect();
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .current_dir(&program.directory)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(match program.stdout {
            Stdout::Null => Stdio::null(),
            Stdout::Tail(_) => Stdio::piped(),
        })
        .stderr(Stdio::piped());
    // SAFETY: between fork and exec only async-signal-safe code may run. `prepare` makes system
    // calls and reads the list that was allocated before the fork; it neither allocates nor locks.
    unsafe { command.pre_exec(move || prepare(parent, &passed)) };
    command.spawn()
}

/// What a child does to itself before it becomes the program.
fn prepare(parent: Pid, passed: &[RawFd]) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that died before the line above sends no signal any more; then this process has
    // another parent by now.
    if getppid() != Some(parent) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    setsid()?;
    // A core dump of a VMM is a copy of its guest's memory.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // When the host runs out of memory, a guest goes before the one who answers for all of them.
    // Everybody may raise this; where /proc is missing, the kernel chooses by size as ever.
    if let Ok(score) = open(c"/proc/self/oom_score_adj", OFlags::WRONLY, Mode::empty()) {
        let _ = write(score, b"500");
    }
    // Marked, not closed: the channel on which the standard library reports a failed exec is among
    // them, and goes with the exec itself.
    // SAFETY: plain system calls on descriptor numbers; no memory is involved.
    unsafe {
        let all =
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        if all != 0 {
            return Err(io::Error::last_os_error());
        }
        for &descriptor in passed {
            if libc::fcntl(descriptor, libc::F_SETFD, 0) == -1 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

//! What a child does between its birth and its program. The contract of [`super::Child`] holds for
//! every line here: system calls only, nothing allocated, nothing that can panic.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use rustix::{
    fs::{Access, AtFlags, CWD, accessat},
    io::{Errno, write},
    process::{chdir, setsid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use super::{
    image::Plan,
    report::{Failure, Stage},
    signal,
};

/// The exit code of a child that could not become its program; its report says why.
const NO_PROGRAM: i32 = 127;
/// Beside the standard streams.
const REPORT_FD: RawFd = 3;

pub(super) fn become_program(plan: &Plan<'_>) -> i32 {
    let Err(failure) = prepare(plan).and_then(|()| execute(plan));
    // Fewer bytes than a pipe takes at once; without a reader nobody asks any more. The report is
    // where it was, or has been moved and closed there.
    if write(plan.report, &failure.encode()) == Err(Errno::BADF) {
        let _ = write(moved_report(), &failure.encode());
    }
    NO_PROGRAM
}

fn prepare(plan: &Plan<'_>) -> Result<(), Failure> {
    let failed = |errno| Failure::new(Stage::Prepare, errno);
    // Neither the agent's session nor its process group: a signal to group 0 stays in the family.
    setsid().map_err(failed)?;
    let [Some(stdin), Some(stdout), Some(stderr)] = plan.child_stdio() else {
        return Err(failed(Errno::BADF));
    };
    rustix::stdio::dup2_stdin(stdin).map_err(failed)?;
    rustix::stdio::dup2_stdout(stdout).map_err(failed)?;
    rustix::stdio::dup2_stderr(stderr).map_err(failed)?;
    if plan.has_terminal() {
        // The new session's own; nobody else has it yet.
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).map_err(failed)?;
    }
    if let Some(door) = plan.image.door {
        door.enter().map_err(failed)?;
    }
    keep_only_report(plan.report).map_err(failed)?;
    let identity = &plan.image.identity;
    // Groups first: without uid 0 they can no longer be set. The calls act on this one thread, and
    // there is no other in this process.
    set_thread_groups(&identity.groups).map_err(failed)?;
    set_thread_res_gid(identity.gid, identity.gid, identity.gid).map_err(failed)?;
    set_thread_res_uid(identity.uid, identity.uid, identity.uid).map_err(failed)?;
    // As the user: what the user may not enter is not the user's working directory.
    chdir(plan.image.working_directory)
        .map_err(|errno| Failure::new(Stage::WorkingDirectory, errno))?;
    signal::reset();
    Ok(())
}

/// As `execvp`: what is missing is passed over, what may not be executed is remembered, and any
/// other error ends the search.
fn execute(plan: &Plan<'_>) -> Result<std::convert::Infallible, Failure> {
    let mut remembered = None;
    for (index, candidate) in plan.image.candidates.iter().enumerate() {
        plan.execute(candidate);
        let errno = last_errno();
        let failure = |stage| Failure {
            stage,
            candidate: u16::try_from(index).unwrap_or(u16::MAX),
            errno: errno.raw_os_error(),
        };
        match errno {
            Errno::NOENT => {
                let there = accessat(CWD, &**candidate, Access::EXISTS, AtFlags::empty()).is_ok();
                if there {
                    remembered.get_or_insert(failure(Stage::Interpreter));
                }
            }
            Errno::NOTDIR => {}
            Errno::ACCESS => {
                remembered.get_or_insert(failure(Stage::Execute));
            }
            _ => return Err(failure(Stage::Execute)),
        }
    }
    Err(remembered.unwrap_or_else(|| Failure::new(Stage::Execute, Errno::NOENT)))
}

fn last_errno() -> Errno {
    // SAFETY: the C library's `errno` of this thread is always readable.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}

/// Closes all of the agent's descriptors but the report's, now and not only with the program: the
/// child may be stuck on a disk for long, and no pipe of another command may stay open meanwhile.
fn keep_only_report(from: BorrowedFd<'_>) -> Result<(), Errno> {
    if from.as_raw_fd() != REPORT_FD {
        // SAFETY: replaces a descriptor of the agent's that this process does not need.
        if unsafe { libc::dup3(from.as_raw_fd(), REPORT_FD, libc::O_CLOEXEC) } < 0 {
            return Err(last_errno());
        }
    }
    let first = libc::c_long::from(REPORT_FD) + 1;
    // SAFETY: nothing of this process uses any of them before it is another program.
    if unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_long::from(u32::MAX), 0) } < 0 {
        return Err(last_errno());
    }
    Ok(())
}

fn moved_report() -> BorrowedFd<'static> {
    // SAFETY: open in this process until it ends or is another program.
    unsafe { BorrowedFd::borrow_raw(REPORT_FD) }
}

//! What only a process that is thrown away can try: it changes what it may do for good.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use rustix::io::Errno;

/// Runs `attempt` in a child of its own and tells how it went there.
///
/// # Safety
/// Other threads of this process may hold locks that nobody lets go of in the child: `attempt` must
/// neither allocate nor take any, and so do nothing but system calls.
pub(super) unsafe fn attempt_in_child(
    mut attempt: impl FnMut() -> Result<(), Errno> + Send + Sync + 'static,
) -> io::Result<()> {
    // Never becomes this program: the child ends before.
    let mut command = Command::new("/proc/self/exe");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: nothing but system calls, as the caller has promised.
    unsafe {
        command.pre_exec(move || {
            attempt()?;
            // SAFETY: ends the child at once, without a destructor of the parent's.
            libc::_exit(0)
        });
    }
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_in_the_child_is_told_and_stays_there() {
        // SAFETY: one system call at most.
        let failed = unsafe { attempt_in_child(|| Err(Errno::NOSPC)) };
        assert_eq!(failed.unwrap_err().raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
        // SAFETY: nothing at all.
        unsafe { attempt_in_child(|| Ok(())) }.unwrap();
    }
}

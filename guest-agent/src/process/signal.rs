//! Signals: sent by pidfd, and kept away from a child until it is ready for them.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

/// Every signal there is, real-time ones included.
pub(crate) const LAST_SIGNAL: i32 = 64;

/// Sends any signal; a process that has ended takes it in silence.
pub(crate) fn send_signal(pidfd: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    // SAFETY: plain integers and a null pointer, which means: as `kill` would send it.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            number,
            ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if sent == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        error => Err(error),
    }
}

/// Blocks every signal in this thread until it is dropped. A child is born with all of them
/// blocked, so that no handler of the agent's ever runs in it.
#[derive(Debug)]
pub(super) struct BlockAll {
    before: libc::sigset_t,
}

impl BlockAll {
    pub(super) fn new() -> io::Result<Self> {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: `sigfillset` initialises `all`, and `pthread_sigmask` initialises `before` when
        // it succeeds.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            match libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) {
                0 => Ok(Self { before: before.assume_init() }),
                errno => Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }
}

impl Drop for BlockAll {
    fn drop(&mut self) {
        // SAFETY: restores the mask that `new` has read.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut())
        };
    }
}

/// Gives the calling process default dispositions and then an empty mask.
///
/// `execve` itself resets handlers but keeps what is ignored (Rust's start-up ignores SIGPIPE).
/// Only for a child that is about to execute a program: plain system calls, no allocation.
pub(crate) fn reset() {
    // The kernel's `struct sigaction` is at most four words, and all zeroes means SIG_DFL without
    // flags in each architecture's layout. The C library's own call would refuse its two private
    // signals.
    let default_action = [0_u64; 4];
    let empty_mask = 0_u64;
    for number in 1..=LAST_SIGNAL {
        // SAFETY: reads a structure of at most 32 bytes. SIGKILL and SIGSTOP are refused, as is right.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                number,
                default_action.as_ptr(),
                ptr::null_mut::<u64>(),
                size_of::<u64>(),
            );
        }
    }
    // SAFETY: reads the eight bytes that the kernel's signal set has.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const empty_mask,
            ptr::null_mut::<u64>(),
            size_of::<u64>(),
        );
    }
}

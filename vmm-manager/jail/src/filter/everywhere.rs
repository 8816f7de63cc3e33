//! What every program needs: its memory, threads, files, sockets and time.

use super::calls::Calls;

pub(super) fn calls() -> Calls {
    let mut calls = Calls::default();
    for group in [MEMORY, FILES, EVENTS, SOCKETS, TIME, THREADS, ITSELF, BEGINNING] {
        calls.always(group);
    }
    #[cfg(target_arch = "x86_64")]
    calls.always(OLD);
    calls.absent(ABSENT);
    threads(&mut calls);
    let local = [libc::AF_UNIX.cast_unsigned()];
    calls.one_of(libc::SYS_socket, 0, &local);
    calls.one_of(libc::SYS_socketpair, 0, &local);
    // Of itself: it may lower what it has, and no more.
    calls.one_of(libc::SYS_prlimit64, 0, &[0]);
    calls.one_of(libc::SYS_prctl, 0, &OF_ITSELF.map(i32::cast_unsigned));
    calls.one_of(libc::SYS_ioctl, 1, DESCRIPTORS);
    calls
}

/// Threads and nothing else: a VMM starts no process, and makes no namespace.
fn threads(calls: &mut Calls) {
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    let thread = libc::CLONE_VM | libc::CLONE_THREAD;
    let mask = (namespaces | thread).cast_unsigned();
    calls.masked(libc::SYS_clone, 0, mask, &[thread.cast_unsigned()]);
}

/// For programs that make no code while they run: memory is written or executed.
pub(super) fn without_own_code(calls: &mut Calls) {
    let (write, execute) = (libc::PROT_WRITE.cast_unsigned(), libc::PROT_EXEC.cast_unsigned());
    calls.never(libc::SYS_mmap);
    calls.masked(libc::SYS_mmap, 2, write | execute, &[0, write, execute]);
    calls.never(libc::SYS_mprotect);
    calls.masked(libc::SYS_mprotect, 2, execute, &[0]);
}

/// What callers can do without, and fall back from when the kernel is older than it.
const ABSENT: &[i64] = &[
    // Its flags are in memory, where a filter cannot look; threads come through `clone` then.
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_openat2,
];

const MEMORY: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
];

const FILES: &[i64] = &[
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fallocate,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
];

const EVENTS: &[i64] = &[
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_gettime,
    libc::SYS_timerfd_settime,
];

/// Of what kind they are is decided where they are made; those that it is given are of its keeper.
const SOCKETS: &[i64] = &[
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_listen,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

const TIME: &[i64] = &[
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
];

/// Whom a signal reaches is a matter of its namespace.
const THREADS: &[i64] = &[
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_membarrier,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_tkill,
];

const ITSELF: &[i64] = &[
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getuid,
    // More filters: each can only take away.
    libc::SYS_seccomp,
    libc::SYS_sysinfo,
    libc::SYS_umask,
    libc::SYS_uname,
];

/// The program's own beginning. Later it starts itself anew at most, in the same jail: nothing else
/// there can be executed.
const BEGINNING: &[i64] = &[libc::SYS_execve];

/// What a C library of x86 still calls by their first names.
#[cfg(target_arch = "x86_64")]
const OLD: &[i64] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_getdents64,
    libc::SYS_getrlimit,
    libc::SYS_lstat,
    libc::SYS_open,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];

/// Its name, its timers, names of its memory; what it may take away from itself.
const OF_ITSELF: [i32; 7] = [
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_SET_NO_NEW_PRIVS,
    libc::PR_SET_TIMERSLACK,
    libc::PR_SET_PDEATHSIG,
    libc::PR_SET_DUMPABLE,
    libc::PR_SET_VMA,
];

/// Of any descriptor. Nobody types into somebody's terminal by these.
const DESCRIPTORS: &[u32] = &[
    0x5421, // FIONBIO
    0x5451, // FIOCLEX
    0x541b, // FIONREAD
    0x5401, // TCGETS
];

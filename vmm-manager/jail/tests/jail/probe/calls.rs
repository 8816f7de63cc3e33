//! System calls that no VMM needs.

use std::{io, ptr};

use super::{answer, tell};

/// Memory that a call may write to without harm.
static mut SCRATCH: [u8; 4096] = [0; 4096];

macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        // SAFETY: its arguments are numbers, constant strings, null, or memory that is nobody's.
        (stringify!($number), || answer(unsafe { libc::syscall(libc::$number $(, $argument)*) }))
    };
}

pub(super) use call;

pub(super) type Try = (&'static str, fn() -> io::Result<()>);

pub(super) fn scratch() -> *mut u8 {
    (&raw mut SCRATCH).cast()
}

pub(super) const NULL: *const u8 = ptr::null();
const ROOT: *const libc::c_char = c"/".as_ptr();
const HERE: *const libc::c_char = c".".as_ptr();
const NEW: *const libc::c_char = c"run/new".as_ptr();
const DISK: *const libc::c_char = c"disk".as_ptr();

pub(super) fn try_all() {
    try_common();
    try_each(INTERNET);
}

/// What not even a gateway needs.
pub(super) fn try_common() {
    for group in [KERNEL, NAMESPACES, PROCESSES, CREDENTIALS, NAMES, SHARED, ARGUMENTS] {
        try_each(group);
    }
}

pub(super) fn try_each(tries: &[Try]) {
    for (name, attempt) in tries {
        tell(name, attempt());
    }
}

/// The kernel itself, and the host's clock, names and disks.
const KERNEL: &[Try] = &[
    call!(SYS_kexec_load, 0, 0, NULL, 0),
    call!(SYS_kexec_file_load, -1, -1, 0, NULL, 0),
    call!(SYS_init_module, NULL, 0, NULL),
    call!(SYS_finit_module, -1, NULL, 0),
    call!(SYS_delete_module, ROOT, 0),
    call!(SYS_reboot, 0, 0, 0, NULL),
    call!(SYS_bpf, 0, scratch(), 120),
    call!(SYS_perf_event_open, scratch(), 0, -1, -1, 0),
    call!(SYS_syslog, 10, NULL, 0),
    call!(SYS_acct, NULL),
    call!(SYS_swapon, ROOT, 0),
    call!(SYS_swapoff, ROOT),
    call!(SYS_quotactl, 0, NULL, 0, NULL),
    call!(SYS_settimeofday, scratch(), NULL),
    call!(SYS_clock_settime, 0, scratch()),
    call!(SYS_adjtimex, scratch()),
    call!(SYS_sethostname, ROOT, 1),
    call!(SYS_setdomainname, ROOT, 1),
    call!(SYS_userfaultfd, 0),
    call!(SYS_io_uring_setup, 8, scratch()),
    call!(SYS_io_uring_enter, 0, 0, 0, 0, NULL, 0),
    call!(SYS_io_uring_register, 0, 0, NULL, 0),
    call!(SYS_fanotify_init, 0, 0),
    call!(SYS_inotify_init1, 0),
    call!(SYS_add_key, ROOT, ROOT, NULL, 0, -2),
    call!(SYS_request_key, ROOT, ROOT, NULL, 0),
    call!(SYS_keyctl, 0, -2, 0),
    #[cfg(target_arch = "x86_64")]
    call!(SYS_iopl, 3),
    #[cfg(target_arch = "x86_64")]
    call!(SYS_ioperm, 0, 1, 1),
    #[cfg(target_arch = "x86_64")]
    call!(SYS_modify_ldt, 0, scratch(), 16),
];

const NAMESPACES: &[Try] = &[
    call!(SYS_unshare, libc::CLONE_NEWUSER),
    call!(SYS_unshare, libc::CLONE_NEWNS),
    call!(SYS_unshare, libc::CLONE_NEWNET),
    call!(SYS_setns, 0, 0),
    call!(SYS_mount, NULL, HERE, c"tmpfs".as_ptr(), 0, NULL),
    call!(SYS_umount2, ROOT, libc::MNT_DETACH),
    call!(SYS_pivot_root, HERE, HERE),
    call!(SYS_chroot, HERE),
    call!(SYS_open_tree, libc::AT_FDCWD, ROOT, 1),
    call!(SYS_move_mount, 0, ROOT, libc::AT_FDCWD, ROOT, 0),
    call!(SYS_fsopen, c"tmpfs".as_ptr(), 0),
    call!(SYS_mount_setattr, libc::AT_FDCWD, ROOT, 0, scratch(), 32),
    call!(SYS_name_to_handle_at, libc::AT_FDCWD, ROOT, scratch(), scratch(), 0),
    call!(SYS_open_by_handle_at, libc::AT_FDCWD, scratch(), 0),
    call!(SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, 0, 0, 0, 0),
    call!(SYS_clone, libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_NEWNET, 0, 0, 0, 0),
];

/// Other processes, and more of them.
const PROCESSES: &[Try] = &[
    call!(SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0),
    call!(SYS_ptrace, libc::PTRACE_ATTACH, 1, 0, 0),
    call!(SYS_process_vm_readv, 1, scratch(), 0, scratch(), 0, 0),
    call!(SYS_process_vm_writev, 1, scratch(), 0, scratch(), 0, 0),
    call!(SYS_kcmp, 1, 1, 0, 0, 0),
    call!(SYS_pidfd_open, 1, 0),
    call!(SYS_pidfd_getfd, 0, 0, 0),
    call!(SYS_pidfd_send_signal, 0, 0, NULL, 0),
    call!(SYS_kill, -1, 0),
    call!(SYS_kill, 1, libc::SIGTERM),
    call!(SYS_rt_sigqueueinfo, 1, 0, scratch()),
    call!(SYS_clone, libc::SIGCHLD, 0, 0, 0, 0),
    call!(SYS_clone3, scratch(), 88),
    #[cfg(target_arch = "x86_64")]
    call!(SYS_fork),
    call!(SYS_execveat, libc::AT_FDCWD, ROOT, NULL, NULL, 0),
    call!(SYS_prlimit64, 2, libc::RLIMIT_NOFILE, NULL, scratch()),
    call!(SYS_sched_setscheduler, 0, libc::SCHED_FIFO, scratch()),
    call!(SYS_setpriority, 0, 0, -5),
    call!(SYS_ioprio_set, 1, 0, 0),
    call!(SYS_setsid),
    call!(SYS_setpgid, 0, 0),
    call!(SYS_move_pages, 0, 0, NULL, NULL, NULL, 0),
    call!(SYS_migrate_pages, 0, 0, NULL, NULL),
    call!(SYS_personality, 0x0040_0000),
];

const CREDENTIALS: &[Try] = &[
    call!(SYS_setuid, 0),
    call!(SYS_setgid, 0),
    call!(SYS_setresuid, 0, 0, 0),
    call!(SYS_setresgid, 0, 0, 0),
    call!(SYS_setfsuid, 0),
    call!(SYS_setgroups, 0, NULL),
    call!(SYS_capset, scratch(), scratch()),
    call!(SYS_prctl, libc::PR_SET_SECUREBITS, 0),
    call!(SYS_prctl, libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, 0, 0, 0),
    call!(SYS_prctl, libc::PR_SET_MM, 0, 0, 0, 0),
    call!(SYS_prctl, libc::PR_SET_PTRACER, -1),
    call!(SYS_prctl, libc::PR_SET_CHILD_SUBREAPER, 1),
];

/// Names, owners and modes of files.
const NAMES: &[Try] = &[
    call!(SYS_mknodat, libc::AT_FDCWD, NEW, libc::S_IFCHR, 0),
    call!(SYS_mkdirat, libc::AT_FDCWD, NEW, 0o700),
    call!(SYS_symlinkat, ROOT, libc::AT_FDCWD, NEW),
    call!(SYS_linkat, libc::AT_FDCWD, DISK, libc::AT_FDCWD, NEW, 0),
    call!(SYS_renameat2, libc::AT_FDCWD, DISK, libc::AT_FDCWD, NEW, 0),
    call!(SYS_fchmodat, libc::AT_FDCWD, DISK, 0o777),
    call!(SYS_fchmod, 0, 0o777),
    call!(SYS_fchownat, libc::AT_FDCWD, DISK, 0, 0, 0),
    call!(SYS_setxattr, DISK, c"user.a".as_ptr(), ROOT, 1, 0),
    call!(SYS_utimensat, libc::AT_FDCWD, DISK, NULL, 0),
    call!(SYS_truncate, DISK, 0),
];

/// What others could be met by.
const SHARED: &[Try] = &[
    call!(SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW, 0),
    call!(SYS_socket, libc::AF_PACKET, libc::SOCK_RAW, 0),
    call!(SYS_socket, libc::AF_VSOCK, libc::SOCK_STREAM, 0),
    call!(SYS_socket, libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
    call!(SYS_socketpair, libc::AF_INET, libc::SOCK_STREAM, 0, scratch()),
    call!(SYS_shmget, 0, 4096, 0),
    call!(SYS_semget, 0, 1, 0),
    call!(SYS_msgget, 0, 0),
    call!(SYS_mq_open, c"a".as_ptr(), libc::O_CREAT, 0, NULL),
];

const INTERNET: &[Try] = &[
    call!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0),
    call!(SYS_socket, libc::AF_INET6, libc::SOCK_STREAM, 0),
];

/// Calls that are allowed with other arguments.
const ARGUMENTS: &[Try] = &[
    call!(SYS_ioctl, 0, libc::TIOCSTI, scratch()),
    call!(SYS_ioctl, 0, libc::TIOCLINUX, scratch()),
    call!(SYS_ioctl, 0, libc::TIOCSCTTY, 0),
    call!(SYS_ioctl, 0, 0x8933_u32, scratch()),
];

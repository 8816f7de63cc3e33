//! Process 1 of a machine that is to be booted: it makes the agent, waits, and becomes the init.
//!
//! It has no threads and no runtime, and whatever it opens ends with it: what the init finds is what the
//! kernel gave to process 1.

use std::{
    convert::Infallible,
    ffi::{CStr, CString, c_char},
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    process::ExitCode,
    ptr,
};

use rustix::{
    fs::{Access, AtFlags, CWD, accessat},
    io::Errno,
    mount::{MountFlags, UnmountFlags, mount, unmount},
    process::{chdir, chroot, fchdir, pivot_root},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::order::Order;
use crate::{
    kmsg,
    process::{Child, Failure, Stage, clone_process, reset_signals},
};

/// What the agent's process is called: inits spare whom a name with this first character shows to be
/// there for the machine's sake.
const NAME: &CStr = c"@kiln-agent";
/// The agent's end of the socket, in a process that has only the standard streams beside it.
const SOCKET: RawFd = 3;
/// The kernel's own for process 1.
const ENVIRONMENT: [&CStr; 2] = [c"HOME=/", c"TERM=linux"];

/// Never becomes anything but what it is ordered to. Returns, which is a panic of the kernel, when
/// nobody can order anything any more.
pub(crate) fn main() -> ExitCode {
    let Err(error) = live();
    kmsg::emergency(format_args!("nothing will be booted, as the agent has ended: {error}"));
    ExitCode::FAILURE
}

fn live() -> io::Result<Infallible> {
    let (mut socket, far) = UnixStream::pair()?;
    clone_process(None, &Agent { socket: far.into() })?;
    // The clone's copy is the only one now.
    let (order, root) = Order::receive(&socket)?;
    let Err(failure) = become_init(&order, root);
    socket.write_all(&failure.encode())?;
    // The host was told, and ends the machine.
    match socket.read(&mut [0])? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The agent's own end, in the process that [`live`] made.
pub(crate) fn take_socket() -> io::Result<UnixStream> {
    // SAFETY: open, and nobody else's: it was put there for this one call, which main makes before
    // anything else is opened.
    let socket = unsafe { OwnedFd::from_raw_fd(SOCKET) };
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok(socket.into())
}

/// The same program once more, by another name.
#[derive(Debug)]
struct Agent {
    socket: OwnedFd,
}

// SAFETY: nothing but system calls, on what was made before.
unsafe impl Child for Agent {
    fn run(&self) -> i32 {
        let argv = [NAME.as_ptr(), super::ARGUMENT.as_ptr(), ptr::null()];
        let [home, terminal] = ENVIRONMENT;
        let environment = [home.as_ptr(), terminal.as_ptr(), ptr::null()];
        let from = self.socket.as_raw_fd();
        // SAFETY: replaces a descriptor of this process alone, or lets the one that is there pass.
        let kept = unsafe {
            if from == SOCKET {
                libc::fcntl(SOCKET, libc::F_SETFD, 0)
            } else {
                libc::dup2(from, SOCKET)
            }
        };
        if kept >= 0 {
            reset_signals();
            // SAFETY: the arrays end in null, and their strings are constants.
            unsafe {
                libc::execve(c"/proc/self/exe".as_ptr(), argv.as_ptr(), environment.as_ptr());
            }
        }
        127
    }
}

fn become_init(order: &Order, agents_root: OwnedFd) -> Result<Infallible, Failure> {
    let Order { new_root, program, argv } = order;
    enter(new_root, agents_root).map_err(|errno| Failure::new(Stage::Prepare, errno))?;
    let argv = pointers(argv.iter().map(CString::as_c_str));
    let environment = pointers(ENVIRONMENT.into_iter());
    keep_standard_streams().map_err(|errno| Failure::new(Stage::Prepare, errno))?;
    reset_signals();
    // SAFETY: the arrays end in null, and their strings live until then.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), environment.as_ptr()) };
    let errno = io::Error::last_os_error();
    let errno = Errno::from_io_error(&errno).unwrap_or(Errno::IO);
    let there = || accessat(CWD, &**program, Access::EXISTS, AtFlags::empty()).is_ok();
    let stage = if errno == Errno::NOENT && there() { Stage::Interpreter } else { Stage::Execute };
    Err(Failure::new(stage, errno))
}

/// The root of a mount namespace in which there is nothing else. The agent's namespace, which was this
/// process's too, stays as it is.
fn enter(new_root: &CStr, agents_root: OwnedFd) -> Result<(), Errno> {
    // What the agent has made its root lies above what this process was born in, which can't be left
    // but to somewhere else.
    fchdir(&agents_root)?;
    chroot(".")?;
    drop(agents_root);
    // SAFETY: of the flags that share memory or descriptors there is none.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    chdir(new_root)?;
    pivot_root(".", ".")?;
    // The old root lies above the new one now, and is where this process stands.
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    // As the kernel does it, where there is a place for it.
    match mount("devtmpfs", "/dev", "devtmpfs", MountFlags::NOSUID, c"mode=0755") {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// All others go with the execution, and not before: one of them tells of its failure.
fn keep_standard_streams() -> Result<(), Errno> {
    let first = libc::c_long::from(libc::STDERR_FILENO) + 1;
    let (last, flags) = (libc::c_long::from(u32::MAX), libc::CLOSE_RANGE_CLOEXEC);
    // SAFETY: closes nothing yet.
    let marked = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if marked < 0 {
        return Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO));
    }
    Ok(())
}

fn pointers<'a>(strings: impl Iterator<Item = &'a CStr>) -> Vec<*const c_char> {
    strings.map(CStr::as_ptr).chain([ptr::null()]).collect()
}

//! What a VMM does all day.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::{fs::FileExt as _, net::UnixListener},
    },
    sync::mpsc,
};

use super::{answer, tell};

const MEBIBYTE: i64 = 1 << 20;

pub(super) fn do_all() {
    tell("reads its kernel", expect(fs::read_to_string("kernel"), |kernel| kernel == "a kernel"));
    tell("writes its disk", disk());
    tell("makes a file without a name", nameless(MEBIBYTE));
    tell("listens and is called", listens());
    tell("takes its socket away", fs::remove_file("run/a.sock"));
    tell("makes files where it may", snapshot());
    tell("has threads that signal each other", threads());
    tell("has events", events());
}

pub(super) fn ask_device(path: &str) {
    const VERSION: libc::c_ulong = 0xae00;
    let device = OpenOptions::new().read(true).write(true).open(path);
    let ask = |device: File| {
        // SAFETY: the command takes no argument.
        answer(unsafe { libc::ioctl(device.as_raw_fd(), VERSION, 0) })
    };
    tell("asks its device", device.and_then(ask));
}

fn disk() -> io::Result<()> {
    let disk = OpenOptions::new().read(true).write(true).open("disk")?;
    disk.write_all_at(b"a guest's bytes", 4096)?;
    disk.sync_data()?;
    let holes = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: it takes numbers.
    answer(unsafe { libc::fallocate(disk.as_raw_fd(), holes, 8192, 4096) })?;
    let mut read = [0; 15];
    disk.read_exact_at(&mut read, 4096)?;
    disk.set_len(1 << 20)?;
    expect(Ok(read), |read| &read == b"a guest's bytes")
}

/// The guest's memory, say.
fn nameless(bytes: i64) -> io::Result<()> {
    // SAFETY: a constant string; a descriptor that it returns is nobody else's.
    let file = unsafe {
        let file = libc::memfd_create(c"memory".as_ptr(), libc::MFD_CLOEXEC);
        answer(file)?;
        OwnedFd::from_raw_fd(file)
    };
    // SAFETY: it takes numbers.
    answer(unsafe { libc::ftruncate(file.as_raw_fd(), bytes) })
}

fn listens() -> io::Result<()> {
    let listener = UnixListener::bind("run/a.sock")?;
    tell("listens", Ok(()));
    let (mut stream, _) = listener.accept()?;
    let mut said = [0; 4];
    stream.read_exact(&mut said)?;
    stream.write_all(b"pong")?;
    expect(Ok(said), |said| &said == b"ping")
}

fn snapshot() -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open("shot/state.json")?;
    file.write_all(b"{}")?;
    expect(fs::read("shot/state.json"), |state| state == b"{}")?;
    expect(fs::read_dir("shot").map(Iterator::count), |files| files == 2)?;
    fs::read("shot/of-the-keeper")?;
    fs::remove_file("shot/state.json")
}

fn threads() -> io::Result<()> {
    extern "C" fn nothing(_: i32) {}
    let (send, receive) = mpsc::channel();
    let (awake, wake) = mpsc::channel::<()>();
    let thread = std::thread::Builder::new().spawn(move || {
        // SAFETY: it asks for a number.
        let _receiver_waits = send.send(unsafe { libc::pthread_self() });
        let _told = wake.recv();
    })?;
    let other = receive.recv().map_err(io::Error::other)?;
    // SAFETY: the handler does nothing, and the thread waits to be told that it may end.
    unsafe {
        libc::signal(libc::SIGUSR1, nothing as extern "C" fn(i32) as libc::sighandler_t);
        match libc::pthread_kill(other, libc::SIGUSR1) {
            0 => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
    drop(awake);
    thread.join().map_err(|_| io::Error::other("it panicked"))
}

fn events() -> io::Result<()> {
    // SAFETY: numbers in, descriptors out, closed by their owner.
    unsafe {
        let made = [
            libc::eventfd(0, libc::EFD_CLOEXEC),
            libc::epoll_create1(libc::EPOLL_CLOEXEC),
            libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC),
        ];
        for descriptor in made {
            answer(descriptor)?;
            drop(OwnedFd::from_raw_fd(descriptor));
        }
    }
    Ok(())
}

fn expect<T>(result: io::Result<T>, holds: impl FnOnce(T) -> bool) -> io::Result<()> {
    if holds(result?) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

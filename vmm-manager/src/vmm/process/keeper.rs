//! The one thread that forks, drains and reaps.
//!
//! PDEATHSIG is sent when the *thread* that forked ends, not only its process: a child forked by a
//! worker of a runtime would die with that worker. This thread is started once, never returns, and
//! is the only one to fork here; so its end is the end of the process, and then the kernel kills
//! the children even if kilnd was killed with SIGKILL.

use std::{
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
    process::{Child, ChildStderr, ChildStdout},
    sync::{Arc, Mutex, OnceLock, PoisonError, mpsc},
    thread,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    process::{
        Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
    },
};
use tokio::sync::{oneshot, watch};

use super::{ProcessExit, Program, STDERR_BYTES, Stdout, Supervised, spawn::start};
use crate::vmm::tail::Tail;

struct Request {
    program: Program,
    reply: oneshot::Sender<io::Result<Supervised>>,
}

/// How the rest of the process reaches the keeper.
struct Door {
    requests: Mutex<mpsc::Sender<Request>>,
    /// Rung after each request.
    bell: Arc<OwnedFd>,
}

/// Asks the keeper to start `program`. When the caller has gone by the time of the answer, the
/// channel gives the child back to the keeper, which drops and so kills it.
pub(super) async fn spawn(program: Program) -> io::Result<Supervised> {
    static DOOR: OnceLock<io::Result<Door>> = OnceLock::new();
    let door = DOOR.get_or_init(open).as_ref().map_err(|error| io::Error::from(error.kind()))?;
    let (reply, answer) = oneshot::channel();
    let gone = || io::Error::other("the keeper of child processes is gone");
    door.requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send(Request { program, reply })
        .map_err(|_| gone())?;
    rustix::io::write(&*door.bell, &1_u64.to_ne_bytes())?;
    answer.await.map_err(|_| gone())?
}

fn open() -> io::Result<Door> {
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let (requests, inbox) = mpsc::channel();
    let keeper = Keeper { inbox, bell: Arc::clone(&bell), children: Vec::new() };
    thread::Builder::new().name("kiln-keeper".into()).spawn(move || keeper.run())?;
    Ok(Door { requests: Mutex::new(requests), bell })
}

struct Keeper {
    inbox: mpsc::Receiver<Request>,
    bell: Arc<OwnedFd>,
    children: Vec<Kept>,
}

/// One child, from the keeper's side.
struct Kept {
    pid: Pid,
    pidfd: Arc<OwnedFd>,
    pipes: Vec<Pipe>,
    exit: watch::Sender<Option<ProcessExit>>,
}

enum Source {
    Stdout(ChildStdout),
    Stderr(ChildStderr),
}

struct Pipe {
    source: Source,
    tail: Tail,
}

impl Keeper {
    fn run(mut self) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            self.sleep();
            // The bell is silenced before the inbox is emptied: a request that comes in between
            // rings again.
            let _was_silent = rustix::io::read(&*self.bell, &mut [0; 8]);
            while let Ok(request) = self.inbox.try_recv() {
                self.start(request);
            }
            for child in &mut self.children {
                child.pipes.retain_mut(|pipe| pipe.drain(&mut buffer));
            }
            self.children.retain_mut(|child| !child.reap(&mut buffer));
        }
    }

    /// Until the bell rings, a child writes or a child ends.
    fn sleep(&self) {
        let mut events = vec![PollFd::new(&*self.bell, PollFlags::IN)];
        for child in &self.children {
            events.push(PollFd::new(&*child.pidfd, PollFlags::IN));
            for pipe in &child.pipes {
                events.push(PollFd::from_borrowed_fd(pipe.source.as_fd(), PollFlags::IN));
            }
        }
        // Interrupted or out of memory: the round that follows finds nothing and comes back.
        if poll(&mut events, None).is_err() {
            thread::yield_now();
        }
    }

    fn start(&mut self, Request { program, reply }: Request) {
        let started = start(&program).and_then(|child| self.keep(child, &program));
        let _killed_when_nobody_waits = reply.send(started);
    }

    fn keep(&mut self, mut child: Child, program: &Program) -> io::Result<Supervised> {
        let pid = Pid::from_child(&child);
        // The number is still this child's: nobody else reaps it.
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Arc::new(pidfd),
            Err(error) => {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
                return Err(error.into());
            }
        };
        let mut pipes = Vec::new();
        let stdout = match (child.stdout.take(), program.stdout) {
            (Some(source), Stdout::Tail(capacity)) => {
                Some(Pipe::open(Source::Stdout(source), capacity, &mut pipes))
            }
            _ => None,
        };
        let stderr = match child.stderr.take() {
            Some(source) => Pipe::open(Source::Stderr(source), STDERR_BYTES, &mut pipes),
            None => Tail::new(0),
        };
        let (exit, seen) = watch::channel(None);
        self.children.push(Kept { pid, pidfd: Arc::clone(&pidfd), pipes, exit });
        Ok(Supervised {
            program: program.path.display().to_string(),
            pid: child.id(),
            pidfd,
            exit: seen,
            stderr,
            stdout,
        })
    }
}

impl Kept {
    /// True when the child has ended, was reaped and its end published.
    fn reap(&mut self, buffer: &mut [u8]) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), look) {
            Ok(None) | Err(rustix::io::Errno::INTR) => return false,
            Ok(Some(_)) | Err(_) => {}
        }
        // Not yet reaped, so the number still names the group that the child led.
        let _nobody_left = kill_process_group(self.pid, Signal::KILL);
        for pipe in &mut self.pipes {
            pipe.drain(buffer);
        }
        let reaped = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
        let exit = reaped.ok().flatten().and_then(|status| {
            status
                .exit_status()
                .map(ProcessExit::Code)
                .or_else(|| status.terminating_signal().map(ProcessExit::Signal))
        });
        // Nobody else waits for our children; were it so, the true status would be lost, and a
        // signal that we did not send is the honest nearest.
        self.exit.send_replace(Some(exit.unwrap_or(ProcessExit::Signal(0))));
        true
    }
}

impl Pipe {
    fn open(source: Source, capacity: usize, pipes: &mut Vec<Self>) -> Tail {
        let tail = Tail::new(capacity);
        // Should this fail, a read could wait for the child; it cannot fail on a pipe.
        let _ = rustix::io::ioctl_fionbio(source.as_fd(), true);
        pipes.push(Self { source, tail: tail.clone() });
        tail
    }

    /// Takes what is there, up to a bound so that no child starves the others; false at the end.
    fn drain(&mut self, buffer: &mut [u8]) -> bool {
        for _ in 0..16 {
            match self.source.read(buffer) {
                Ok(0) => return false,
                Ok(length) => self.tail.push(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.read(buffer),
            Self::Stderr(stderr) => stderr.read(buffer),
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Stdout(stdout) => stdout.as_fd(),
            Self::Stderr(stderr) => stderr.as_fd(),
        }
    }
}

//! One program while it runs, and what is kept of what it says.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
};

use rustix::{
    io::{Errno, ioctl_fionbio, read},
    process::{
        Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
        pidfd_send_signal, waitid,
    },
};

use crate::{Birth, Child, ChildExit, End, ProcessIdentity, Program, Ring, Stdout};

/// A pipe holds 64 KiB: a child that has ended is read to the end in one go.
const ROUNDS: usize = 32;

/// A program of the machine. It is killed when this is dropped, and reaped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) identity: Child,
    pid: Pid,
    pidfd: OwnedFd,
    streams: [Option<Stream>; 3],
    end: Option<End>,
}

/// What a child says, to us.
#[derive(Debug)]
struct Stream {
    /// `None` at its end.
    source: Option<OwnedFd>,
    ring: Ring,
}

const CONSOLE: usize = 0;
const STDERR: usize = 1;
const HEARD: usize = 2;

impl Running {
    /// Starts `program`, whose line to us is `heard`. Must be called by the one thread of this
    /// process: the kernel kills the child when the thread that forked it ends.
    pub(super) fn spawn(
        program: &Program,
        birth: Birth,
        heard: Option<(OwnedFd, usize)>,
    ) -> io::Result<Self> {
        let (stdout, console_bytes) = match program.stdout {
            Stdout::Null => (Stdio::null(), 0),
            Stdout::Serial { bytes } => (Stdio::piped(), bytes),
        };
        let mut command = Command::new(&program.path);
        command
            .args(&program.arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped());
        // SAFETY: `apply` is made for the time between fork and exec.
        unsafe { command.pre_exec(move || birth.apply()) };
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        // The number is still this child's: nobody else reaps it.
        let proof = pidfd_open(pid, PidfdFlags::empty())
            .map_err(io::Error::from)
            .and_then(|pidfd| Ok((pidfd, ProcessIdentity::of(child.id())?)));
        let (pidfd, process) = match proof {
            Ok(proof) => proof,
            Err(error) => {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
                return Err(error);
            }
        };
        let console = child.stdout.take().map(|stdout| Stream::new(stdout.into(), console_bytes));
        let stderr =
            child.stderr.take().map(|stderr| Stream::new(stderr.into(), program.stderr_bytes));
        let heard = heard.map(|(line, bytes)| Stream::new(line, bytes));
        let identity = Child { name: program.name.clone(), process };
        Ok(Self { identity, pid, pidfd, streams: [console, stderr, heard], end: None })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// What to poll for.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let pidfd = (!self.has_ended()).then(|| self.pidfd.as_fd());
        let sources = self.streams.iter().flatten().filter_map(|stream| stream.source.as_ref());
        pidfd.into_iter().chain(sources.map(AsFd::as_fd))
    }

    /// The end of what it wrote to the console, if that is this one's.
    pub(super) fn console(&self) -> Option<&Ring> {
        self.streams[CONSOLE].as_ref().map(|stream| &stream.ring)
    }

    pub(super) fn drain(&mut self, buffer: &mut [u8]) {
        for stream in self.streams.iter_mut().flatten() {
            stream.drain(buffer);
        }
    }

    pub(super) fn kill(&self) {
        let _gone = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Looks whether it has ended, and if so, ends what it started, reads all that it said, and
    /// reaps it.
    pub(super) fn reap(&mut self, buffer: &mut [u8]) {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), look) {
            Ok(None) | Err(Errno::INTR) => return,
            Ok(Some(_)) | Err(_) => {}
        }
        // Not yet reaped, so the number still names the group that the child led.
        let _nobody_left = kill_process_group(self.pid, Signal::KILL);
        self.drain(buffer);
        for stream in self.streams.iter_mut().flatten() {
            // Somebody else may still hold its other end; what he says is not the child's.
            stream.source = None;
        }
        let reaped = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
        let end = reaped.ok().flatten().and_then(|status| {
            let signal = status.terminating_signal().map(End::Signal);
            status.exit_status().map(End::Code).or(signal)
        });
        // Nobody else waits for our children; were it so, the true status would be lost, and a
        // signal that nobody sent is the honest nearest.
        self.end = Some(end.unwrap_or(End::Signal(0)));
    }

    /// `None` while it lives.
    pub(super) fn exit(&self) -> Option<ChildExit> {
        let name = self.identity.name.clone();
        Some(ChildExit { name, end: self.end?, stderr: self.said(STDERR), heard: self.said(HEARD) })
    }

    pub(super) fn stderr(&self) -> String {
        self.said(STDERR)
    }

    fn said(&self, stream: usize) -> String {
        let bytes = self.streams[stream].as_ref().map(|stream| stream.ring.bytes());
        String::from_utf8_lossy(&bytes.unwrap_or_default()).trim().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.kill();
            let _ended = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
        }
    }
}

impl Stream {
    fn new(source: OwnedFd, capacity: usize) -> Self {
        // Should this fail, a read could wait for the child; it cannot fail on a pipe or a socket.
        let _ = ioctl_fionbio(&source, true);
        Self { source: Some(source), ring: Ring::new(capacity) }
    }

    /// Takes what is there, up to a bound so that nobody else starves.
    fn drain(&mut self, buffer: &mut [u8]) {
        let Some(source) = &self.source else { return };
        for _ in 0..ROUNDS {
            match read(source, &mut *buffer) {
                Ok(length) if length > 0 => self.ring.push(&buffer[..length]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Ok(_) | Err(_) => {
                    self.source = None;
                    return;
                }
            }
        }
    }
}

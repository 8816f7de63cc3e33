//! One program while it runs, and what is kept of what it says.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
    time::{Duration, Instant},
};

use kiln_jail::{Launch, Launched};
use rustix::{
    fs::{Mode, OFlags, open},
    io::{Errno, ioctl_fionbio, read},
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_send_signal, waitid},
};

use super::{descriptors::pipe, failed};
use crate::{Child, ChildExit, End, Order, ProcessIdentity, Program, Ring, StartFailure, Stdout};

/// A pipe holds 64 KiB: a child that has ended is read to the end in one go.
const ROUNDS: usize = 32;

/// A program of the machine. It is killed when this is dropped, and reaped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) identity: Child,
    pid: Pid,
    pidfd: OwnedFd,
    streams: [Option<Stream>; 3],
    /// How long it has to end by itself.
    parting: Duration,
    /// What it says when the machine is at its end.
    ends: Vec<String>,
    has_said_end: bool,
    end: Option<End>,
}

/// A program's line to us.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) end: OwnedFd,
    pub(super) keep_bytes: usize,
    pub(super) ends: Vec<String>,
}

/// What one program is born with.
#[derive(Debug)]
pub(super) struct Own<'a> {
    /// Under which numbers.
    pub(super) descriptors: Vec<(OwnedFd, RawFd)>,
    /// The one that it joins.
    pub(super) network: Option<BorrowedFd<'a>>,
    pub(super) heard: Option<Line>,
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
    /// Starts a program of `order` with what is its own. Must be called by the one thread of this process: the kernel kills the child when
    /// the thread that forked it ends.
    pub(super) fn spawn(
        program: &Program,
        order: &Order,
        own: Own<'_>,
    ) -> Result<Self, StartFailure> {
        let Own { mut descriptors, network, heard } = own;
        let io = |error: Errno| failed("a pipe", &error.into());
        let (stderr, theirs) = pipe().map_err(io)?;
        descriptors.push((theirs, 2));
        let console = match program.stdout {
            // Ours leads nowhere.
            Stdout::Null => None,
            Stdout::Serial { bytes } => {
                let (console, theirs) = pipe().map_err(io)?;
                descriptors.push((theirs, 1));
                Some(Stream::new(console, bytes))
            }
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let within = open(c".", flags, Mode::empty())
            .map_err(|error| failed("the machine's directory", &error.into()))?;
        let borrowed = descriptors.iter().map(|(descriptor, number)| (descriptor.as_fd(), *number));
        let borrowed: Vec<_> = borrowed.collect();
        let launch = Launch {
            program: &program.path,
            arguments: &program.arguments,
            directory: &order.directory,
            within: within.as_fd(),
            jail: program.jail.as_ref(),
            network,
            cgroups: &order.cgroups,
            descriptors: &borrowed,
        };
        let shown = program.path.display().to_string();
        let Launched { pid, pidfd, confinement } =
            launch.start().map_err(|failure| StartFailure::launch(shown.clone(), failure))?;
        // The number is still this child's: nobody else reaps it.
        let process = match ProcessIdentity::of(pid.as_raw_nonzero().get().cast_unsigned()) {
            Ok(process) => process,
            Err(error) => {
                let _ = pidfd_send_signal(&pidfd, Signal::KILL);
                let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
                return Err(failed(shown, &error));
            }
        };
        // Only the child has them now: their end is its end.
        drop(descriptors);
        let stderr = Some(Stream::new(stderr, program.stderr_bytes));
        let (heard, ends) = match heard {
            Some(Line { end, keep_bytes, ends }) => (Some(Stream::new(end, keep_bytes)), ends),
            None => (None, Vec::new()),
        };
        let identity = Child { name: program.name.clone(), process, confinement };
        Ok(Self {
            identity,
            pid,
            pidfd,
            streams: [console, stderr, heard],
            parting: Duration::from_millis(program.parting_millis),
            ends,
            has_said_end: false,
            end: None,
        })
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
        let before = self.heard();
        for stream in self.streams.iter_mut().flatten() {
            stream.drain(buffer);
        }
        if !self.ends.is_empty() && self.heard() != before {
            let said = self.said(HEARD);
            self.has_said_end |= self.ends.iter().any(|end| said.contains(end));
        }
    }

    /// How much its line to us has carried so far.
    fn heard(&self) -> u64 {
        self.streams[HEARD].as_ref().map_or(0, |stream| stream.ring.written())
    }

    /// Whether it has said that the machine is at its end.
    pub(super) fn has_said_end(&self) -> bool {
        self.has_said_end
    }

    /// Lets it end by itself, where it may: until when it has to have.
    pub(super) fn part(&self) -> Option<Instant> {
        if self.parting.is_zero() || pidfd_send_signal(&self.pidfd, Signal::TERM).is_err() {
            self.kill();
            return None;
        }
        Some(Instant::now() + self.parting)
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

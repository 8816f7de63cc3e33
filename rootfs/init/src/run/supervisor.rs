//! From the command's start to its end.
//!
//! ```text
//! running ──stop──▶ stopping ──limit──▶ killed
//!    └──────────────────┴──────────────────┴──▶ ended: the rest is killed, its output goes out
//! ```
//!
//! Nobody else waits for processes: the command's end is seen among those of the orphans that process 1
//! inherits. The kernel merges signals; each one that comes after "there is none" wakes the loop again.

use std::{
    io::{self, Read as _},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, WaitOptions},
};

use super::{
    LAST_WORDS_LIMIT,
    button::Buttons,
    console::Console,
    ended::Ended,
    inbox::{Inbox, Message},
    others::Others,
};
use crate::signal::Signal;

const READ_BYTES: usize = 16 * 1024;
/// What was killed may still be busy in the kernel.
const REAP_LIMIT: Duration = Duration::from_secs(5);
/// Who is the child of another process ends without a word to this one.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Supervisor {
    command: Pid,
    /// `None` when nobody can write any more.
    output: Option<std::fs::File>,
    inbox: Inbox,
    others: Others,
    stop_signal: Signal,
    stop_limit: Duration,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Running,
    /// Until everything is killed.
    Stopping(Instant),
    /// Until the command is given up, as the kernel has not let it go.
    Killed(Instant),
}

/// Of what was in the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    All,
    /// The console takes no more now.
    Some,
}

impl Phase {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Running => None,
            Self::Stopping(deadline) | Self::Killed(deadline) => Some(deadline),
        }
    }
}

impl Supervisor {
    pub(super) fn new(
        command: Pid,
        output: OwnedFd,
        mut inbox: Inbox,
        others: Others,
        stop_signal: Signal,
        stop_limit: Duration,
    ) -> Self {
        inbox.buttons = Buttons::open();
        let output = Some(output.into());
        let phase = Phase::Running;
        Self { command, output, inbox, others, stop_signal, stop_limit, phase }
    }

    pub(super) fn run(mut self, console: &mut Console) -> io::Result<Ended> {
        let ended = loop {
            self.wait(console, self.phase.deadline())?;
            if let Some(ended) = self.turn(console)? {
                break ended;
            }
        };
        self.finish(console)?;
        Ok(ended)
    }

    /// Handles all that has come.
    fn turn(&mut self, console: &mut Console) -> io::Result<Option<Ended>> {
        self.move_output(console);
        if self.inbox.buttons.pressed() {
            self.stop();
        }
        while let Some(message) = self.inbox.next()? {
            match message {
                // All children are asked for below.
                Message::Child | Message::Nothing => {}
                Message::Stop => self.stop(),
                Message::Forward(signal) => self.send(signal),
            }
        }
        if let Some(ended) = self.reap()? {
            return Ok(Some(ended));
        }
        let now = Instant::now();
        match self.phase {
            Phase::Stopping(deadline) if deadline <= now => {
                self.others.kill();
                self.phase = Phase::Killed(now + REAP_LIMIT);
                Ok(None)
            }
            Phase::Killed(deadline) if deadline <= now => Ok(Some(Ended::Killed(libc::SIGKILL))),
            Phase::Running | Phase::Stopping(_) | Phase::Killed(_) => Ok(None),
        }
    }

    /// Once: the limit does not start anew.
    fn stop(&mut self) {
        if let Phase::Running = self.phase {
            let now = Instant::now();
            self.phase = Phase::Stopping(now.checked_add(self.stop_limit).unwrap_or(now));
            self.send(self.stop_signal.number());
        }
    }

    /// To the command alone, as docker does. It is not reaped yet, so the number is still its own.
    fn send(&self, signal: i32) {
        // SAFETY: plain integers. It fails for what has ended, whose end is about to be seen.
        unsafe { libc::kill(self.command.as_raw_nonzero().get(), signal) };
    }

    /// The command's end, if it is among them.
    fn reap(&mut self) -> io::Result<Option<Ended>> {
        let mut ended = None;
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.command => {
                    ended = ended.or(Ended::of(status));
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) | Err(Errno::CHILD) => return Ok(ended),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// The rest of the container dies with its process 1. What it has written still comes out.
    fn finish(&mut self, console: &mut Console) -> io::Result<()> {
        let mut killed = self.others.kill();
        let limit = Instant::now() + REAP_LIMIT;
        while !killed.are_gone(has_children()) && Instant::now() < limit {
            self.wait(console, Some(limit.min(Instant::now() + LOOK_AGAIN)))?;
            self.move_output(console);
            while self.inbox.next()?.is_some() {}
        }
        let limit = Instant::now() + LAST_WORDS_LIMIT;
        // Who was spared may hold the pipe open, and has nothing to say.
        while self.move_output(console) == Moved::Some && Instant::now() < limit {
            self.wait(console, Some(limit))?;
            while self.inbox.next()?.is_some() {}
        }
        if self.move_output(console) == Moved::Some {
            console.say("the end of the command's output is lost: the console does not take it");
        }
        Ok(())
    }

    /// From the pipe to the console, as far as it goes.
    fn move_output(&mut self, console: &mut Console) -> Moved {
        console.write_some();
        let mut buffer = [0; READ_BYTES];
        while let Some(output) = self.output.as_mut().filter(|_| console.has_room()) {
            match output.read(&mut buffer) {
                Ok(0) => self.output = None,
                Ok(length) => {
                    console.take(buffer.get(..length).unwrap_or_default());
                    console.write_some();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Moved::All,
                Err(_) => self.output = None,
            }
        }
        if self.output.is_some() { Moved::Some } else { Moved::All }
    }

    /// Until something has come, or the deadline.
    fn wait(&self, console: &Console, deadline: Option<Instant>) -> io::Result<()> {
        let signals = self.inbox.signals();
        let output = self.output.as_ref().filter(|_| console.has_room());
        let writable = console.waits_for();
        let buttons: Vec<_> = self.inbox.buttons.iter().collect();
        let mut polled = vec![PollFd::new(&signals, PollFlags::IN)];
        polled.extend(output.iter().map(|output| PollFd::new(*output, PollFlags::IN)));
        polled.extend(writable.iter().map(|device| PollFd::new(device, PollFlags::OUT)));
        polled.extend(buttons.iter().map(|button| PollFd::new(button, PollFlags::IN)));
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut polled, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Reaps those that have ended on the way.
fn has_children() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

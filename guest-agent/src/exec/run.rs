//! One command, between its own task and whoever listens.
//!
//! ```text
//!          ┌──────────── Starting ────────────┐
//!          ▼                                  ▼
//!       Running ──────────────────────▶ Ended(exited)  Ended(refused)
//! ```
//!
//! The command's task moves the stage, fills the window and empties the queue; the one stream that
//! has the seat empties the window and fills the queue. Both wait on the same `watch`, whose value is
//! checked by each wait itself, so no wake-up is lost. Whatever a stream does it does with its seat,
//! under the lock under which another stream takes the seat: a stream that has lost it changes
//! nothing more.

use std::{
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use kiln_proto::agent::{
    MAX_CHUNK_BYTES, OUTPUT_WINDOW_BYTES,
    v1::{BootUp, ExecExited, ExecRefused},
};
use tokio::sync::watch;
use tonic::Status;

use super::{
    input::Queue,
    output::{Chunk, NoSuchOffset, NotSent, Output, Window},
    pipe::Pipe,
    start::Start,
};
use crate::{
    group::OwnedGroup,
    process::{Cloned, TerminalSize, send_signal},
};

/// Kept for a host that may come back.
#[expect(clippy::cast_possible_truncation, reason = "far below any `usize`")]
const NAMED_WINDOW: usize = OUTPUT_WINDOW_BYTES as usize;
/// Enough to keep the wire busy.
const UNNAMED_WINDOW: usize = 2 * MAX_CHUNK_BYTES;

pub(crate) struct Run {
    /// It outlives its streams, and keeps its output until the host has taken it.
    pub(super) is_named: bool,
    has_stdin: bool,
    pub(super) has_terminal: bool,
    patience: Patience,
    state: watch::Sender<State>,
}

/// With a command that was sent a signal to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Endless,
    /// It is killed soon after.
    Little,
}

pub(super) struct State {
    stage: Stage,
    pub(super) window: Window,
    pub(super) stdin: Queue,
    /// Of the stream that came last.
    seat: Seat,
    /// Nobody will ever ask for it.
    abandoned: bool,
    hurried: bool,
    /// Of a machine.
    up: Option<BootUp>,
    /// Its end was handed to a stream.
    told: bool,
}

enum Stage {
    Starting,
    Running(Arc<dyn Alive>),
    Ended { pid: u32, end: End },
}

/// What can be done to what runs.
pub(super) trait Alive: Send + Sync {
    fn pid(&self) -> u32;
    fn signal(&self, number: i32) -> io::Result<()>;
    fn kill(&self) -> io::Result<()>;
    fn resize(&self, size: TerminalSize) -> io::Result<()>;
}

/// A command that runs.
#[derive(Debug)]
pub(super) struct Living {
    pub(super) group: OwnedGroup,
    pub(super) child: Cloned,
    /// With the command's own end, held so that a terminal which every process has closed can be
    /// opened again, as `/dev/tty`.
    pub(super) terminal: Option<(Arc<Pipe>, OwnedFd)>,
}

/// How it ended, for the guest's life.
#[derive(Clone, Debug)]
pub(super) enum End {
    Exited(ExecExited),
    Refused(ExecRefused),
}

/// The right to speak with a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seat(u64);

/// What a stream is told first.
#[derive(Debug)]
pub(super) enum Beginning {
    Started { pid: u32, stdin_offset: u64, stdin_closed: bool },
    Refused(ExecRefused),
}

/// What a stream has to tell next.
#[derive(Debug)]
pub(super) struct News {
    pub(super) chunk: Option<Chunk>,
    /// Told when there is no chunk left.
    pub(super) end: Option<End>,
    pub(super) stdin_taken: u64,
}

impl Run {
    pub(super) fn new(start: &Start) -> Self {
        let is_named = !start.id().is_empty();
        let window = if is_named { NAMED_WINDOW } else { UNNAMED_WINDOW };
        let state = State {
            stage: Stage::Starting,
            window: Window::new(window),
            stdin: Queue::default(),
            seat: Seat::default(),
            abandoned: false,
            hurried: false,
            up: None,
            told: false,
        };
        Self {
            is_named,
            has_stdin: start.has_stdin(),
            has_terminal: start.has_terminal(),
            patience: match start {
                Start::Command(_) | Start::Boot(..) => Patience::Endless,
                Start::Build(..) => Patience::Little,
            },
            state: watch::Sender::new(state),
        }
    }

    /// Resolves when `ready` is true of the state, at once if it is.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn until(&self, ready: impl FnMut(&State) -> bool) {
        // The sender lives as long as we are borrowed.
        let _ = self.state.subscribe().wait_for(ready).await;
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut result = None;
        self.state.send_modify(|state| result = Some(change(state)));
        // `send_modify` calls it once and at once.
        result.unwrap_or_else(|| unreachable!("the change was made"))
    }
}

/// For the command's own task.
impl Run {
    pub(super) fn begin(&self, living: Arc<dyn Alive>) {
        self.change(|state| state.stage = Stage::Running(living));
    }

    pub(super) fn end(&self, end: End) {
        self.change(|state| {
            let pid = state.stage.pid();
            state.stage = Stage::Ended { pid, end };
            state.stdin.give_up();
            state.window.shrink();
        });
    }

    /// A machine is what it should be.
    pub(super) fn is_up(&self, up: BootUp) {
        self.change(|state| state.up = Some(up));
    }

    /// At most as much as there is room for.
    pub(super) fn push(&self, output: Output, data: &[u8]) {
        self.change(|state| state.window.push(output, data));
    }

    /// How much output there is room for.
    pub(super) fn room(&self) -> usize {
        self.state.borrow().window.room()
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.state.borrow().abandoned
    }

    pub(super) fn pop_stdin(&self, limit: usize) -> Vec<u8> {
        self.change(|state| state.stdin.pop(limit))
    }

    pub(super) fn give_stdin_up(&self) {
        self.change(|state| state.stdin.give_up());
    }
}

/// For its streams.
impl Run {
    /// Takes the seat; output is sent from `offset` on.
    pub(super) fn sit(&self, offset: u64) -> Result<Seat, NoSuchOffset> {
        self.change(|state| {
            state.window.seek(offset)?;
            state.stdin.rewind();
            state.seat.0 += 1;
            Ok(state.seat)
        })
    }

    /// Resolves when another stream has taken the seat.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn lost(&self, seat: Seat) {
        self.until(|state| state.seat != seat).await;
    }

    /// Resolves when the command was started, or was not.
    pub(super) async fn beginning(&self) -> Beginning {
        self.until(|state| !matches!(state.stage, Stage::Starting)).await;
        let state = self.state.borrow();
        match &state.stage {
            Stage::Ended { end: End::Refused(refused), .. } => Beginning::Refused(refused.clone()),
            stage => Beginning::Started {
                pid: stage.pid(),
                stdin_offset: state.stdin.received(),
                stdin_closed: state.stdin.is_closed(),
            },
        }
    }

    /// What there is to tell now; `None` when the seat is lost.
    pub(super) fn news(&self, seat: Seat) -> Option<News> {
        self.change(|state| {
            if state.seat != seat {
                return None;
            }
            let chunk = state.window.send();
            if !self.is_named {
                state.window.forget_sent();
            }
            let end = match &state.stage {
                Stage::Ended { end, .. } => Some(end.clone()),
                _ => None,
            };
            Some(News { chunk, end, stdin_taken: state.stdin.taken() })
        })
    }

    pub(super) fn take_stdin(&self, seat: Seat, data: &[u8]) -> Result<(), Status> {
        if !self.has_stdin {
            return Err(Status::invalid_argument("stdin for a command without stdin"));
        }
        self.change(|state| {
            if state.stdin.is_closed() {
                return Err(Status::invalid_argument("stdin after stdin_closed"));
            }
            if state.seat == seat {
                state.stdin.push(data);
            }
            Ok(())
        })
    }

    pub(super) fn close_stdin(&self, seat: Seat) {
        self.change(|state| {
            if state.seat == seat {
                state.stdin.close();
            }
        });
    }

    pub(super) fn taken(&self, seat: Seat, offset: u64) -> Result<(), Status> {
        if !self.is_named {
            return Err(Status::invalid_argument("taken for a command without an id"));
        }
        self.change(|state| {
            if state.seat != seat {
                return Ok(());
            }
            let ended = matches!(state.stage, Stage::Ended { .. });
            state.window.forget(offset)?;
            if ended {
                state.window.shrink();
            }
            Ok(())
        })
        .map_err(|not_sent: NotSent| Status::invalid_argument(not_sent.to_string()))
    }

    pub(super) fn signal(&self, number: i32) -> io::Result<()> {
        self.living().map_or(Ok(()), |living| living.signal(number))?;
        let ends = matches!(number, libc::SIGINT | libc::SIGTERM | libc::SIGQUIT);
        if ends && self.patience == Patience::Little {
            self.change(|state| state.hurried = true);
        }
        Ok(())
    }

    pub(super) fn kill(&self) -> io::Result<()> {
        self.living().map_or(Ok(()), |living| living.kill())
    }

    pub(super) fn resize(&self, size: TerminalSize) -> io::Result<()> {
        self.living().map_or(Ok(()), |living| living.resize(size))
    }

    /// When it is.
    pub(super) fn up(&self) -> Option<BootUp> {
        self.state.borrow().up.clone()
    }

    /// The end is on its way to the host.
    pub(super) fn tell_told(&self) {
        self.change(|state| state.told = true);
    }

    /// Nobody will ask for it again: it is killed, and its output goes nowhere.
    pub(super) fn abandon(&self) {
        self.change(|state| state.abandoned = true);
    }

    /// Resolves when it has ended, in whatever way.
    pub(super) async fn ended(&self) {
        self.until(State::has_ended).await;
    }

    fn living(&self) -> Option<Arc<dyn Alive>> {
        match &self.state.borrow().stage {
            Stage::Running(living) => Some(Arc::clone(living)),
            Stage::Starting | Stage::Ended { .. } => None,
        }
    }
}

impl Alive for Living {
    fn pid(&self) -> u32 {
        self.child.pid.as_raw_pid().unsigned_abs()
    }

    fn signal(&self, number: i32) -> io::Result<()> {
        send_signal(self.child.pidfd.as_fd(), number)
    }

    fn kill(&self) -> io::Result<()> {
        self.group.kill()
    }

    fn resize(&self, size: TerminalSize) -> io::Result<()> {
        self.terminal.as_ref().map_or(Ok(()), |(terminal, _)| size.apply(terminal.as_fd()))
    }
}

impl State {
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.is_some()
    }

    pub(super) fn is_told(&self) -> bool {
        self.told
    }

    pub(super) fn is_hurried(&self) -> bool {
        self.hurried
    }
}

impl Stage {
    /// 0 for what never ran.
    fn pid(&self) -> u32 {
        match self {
            Self::Starting => 0,
            Self::Running(living) => living.pid(),
            Self::Ended { pid, .. } => *pid,
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Run").field("is_named", &self.is_named).finish_non_exhaustive()
    }
}

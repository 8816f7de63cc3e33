//! The order and the shape that an agent's answers to one command must have.
//!
//! ```text
//! Fresh ──started──▶ Running ──exited──▶ Over
//!   └────────────────refused──────────────▲
//! ```

use std::time::Duration;

use bytes::Bytes;
use kiln_proto::agent::{
    MAX_CHUNK_BYTES,
    v1::{self, exec_exited, exec_refused, exec_response::Event},
};

use super::{
    BootCommand, BuildCommand, Command, GuestError,
    event::{BootUp, DiskFull, ExecEvent, ExecExit, ExecStatus, RefusalReason, UpBy},
    exec::Flow,
    text,
};

/// A path in the guest; Linux itself has no longer ones.
const MOUNT_CHARACTERS: usize = 4096;

/// How far the answers to one command have come.
#[derive(Debug)]
pub(super) struct Order {
    state: State,
    /// Whether the command may have been begun on an earlier stream.
    resumable: bool,
    /// Of the output that comes next.
    output: u64,
    /// What the agent has taken of stdin, on all streams.
    taken: u64,
    /// What earlier streams were sent of it, at most; then what they were sent for good.
    sent_before: Option<u64>,
    /// What this stream was sent of it.
    flow: Flow,
    /// A build's output is one row, and a machine's console.
    has_stderr: bool,
    /// Whether it may still say that it is up.
    comes_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Running,
    Over,
}

impl Order {
    pub(super) fn of(command: &Command) -> Self {
        Self {
            state: State::Fresh,
            resumable: command.id.is_some(),
            output: command.output_offset,
            taken: 0,
            sent_before: command.stdin_sent,
            flow: Flow::default(),
            has_stderr: true,
            comes_up: false,
        }
    }

    /// It has an id, and takes no stdin.
    pub(super) fn of_build(command: &BuildCommand) -> Self {
        Self {
            state: State::Fresh,
            resumable: true,
            output: command.output_offset,
            taken: 0,
            sent_before: Some(0),
            flow: Flow::default(),
            has_stderr: false,
            comes_up: false,
        }
    }

    /// It has an id, takes no stdin, and comes up.
    pub(super) fn of_boot(command: &BootCommand) -> Self {
        Self {
            state: State::Fresh,
            resumable: true,
            output: command.output_offset,
            taken: 0,
            sent_before: Some(0),
            flow: Flow::default(),
            has_stderr: false,
            comes_up: true,
        }
    }

    /// What bounds this stream's stdin.
    pub(super) fn flow(&self) -> Flow {
        self.flow.clone()
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.state == State::Fresh
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Nothing may come any more.
    pub(super) fn end(&mut self) {
        self.state = State::Over;
    }

    /// Takes the agent's next word, or says why it may not come now.
    pub(super) fn admit(&mut self, response: v1::ExecResponse) -> Result<ExecEvent, GuestError> {
        let v1::ExecResponse { event } = response;
        let event = event.ok_or_else(|| broken("an answer to exec without an event"))?;
        match (self.state, event) {
            (State::Fresh, Event::Started(started)) => {
                self.state = State::Running;
                self.start(started)
            }
            (State::Fresh, Event::Refused(refused)) => {
                self.state = State::Over;
                refusal(&refused)
            }
            (State::Running, Event::Stdout(output)) => self.chunk(output).map(ExecEvent::Stdout),
            (State::Running, Event::Stderr(_)) if !self.has_stderr => {
                Err(broken("errors beside an output that has none"))
            }
            (State::Running, Event::Stderr(output)) => self.chunk(output).map(ExecEvent::Stderr),
            (State::Running, Event::StdinTaken(taken)) => self.take(taken),
            (State::Running, Event::Exited(exited)) => {
                self.state = State::Over;
                exit(exited).map(ExecEvent::Exited)
            }
            (State::Running, Event::Started(_)) => Err(broken("a command that started twice")),
            (State::Running, Event::Up(up)) => self.up(&up),
            (State::Running, Event::Refused(_)) => Err(broken("a refusal after the start")),
            (State::Fresh, _) => Err(broken("an event of a command before its start")),
            (State::Over, _) => Err(broken("an event of a command after its end")),
        }
    }

    fn start(&mut self, started: v1::ExecStarted) -> Result<ExecEvent, GuestError> {
        let v1::ExecStarted { pid, stdin_offset, stdin_closed } = started;
        if pid == 0 {
            return Err(broken("a command with process id 0"));
        }
        if !self.resumable && (stdin_offset > 0 || stdin_closed) {
            return Err(broken("stdin that was taken before the command was begun"));
        }
        if self.sent_before.is_some_and(|sent| stdin_offset > sent) {
            return Err(broken("more stdin taken than was ever sent"));
        }
        self.taken = stdin_offset;
        // What was sent on this stream is counted from here.
        self.sent_before = Some(stdin_offset);
        Ok(ExecEvent::Started { pid, stdin_offset, stdin_closed })
    }

    fn take(&mut self, taken: v1::StdinTaken) -> Result<ExecEvent, GuestError> {
        let v1::StdinTaken { offset } = taken;
        if offset < self.taken {
            return Err(broken("stdin that is no longer taken"));
        }
        let before = self.sent_before.unwrap_or_default();
        if offset > before.saturating_add(self.flow.sent()) {
            return Err(broken("more stdin taken than was ever sent"));
        }
        self.taken = offset;
        self.flow.take(offset - before);
        Ok(ExecEvent::StdinTaken { offset })
    }

    fn up(&mut self, up: &v1::BootUp) -> Result<ExecEvent, GuestError> {
        let v1::BootUp { degraded, by } = up;
        if !std::mem::take(&mut self.comes_up) {
            return Err(broken("a command that came up, or a machine that did so twice"));
        }
        let by = UpBy::named(by).ok_or_else(|| broken("a machine that is up by nothing known"))?;
        Ok(ExecEvent::Up(BootUp { degraded: *degraded, by }))
    }

    fn chunk(&mut self, chunk: v1::OutputChunk) -> Result<Bytes, GuestError> {
        let v1::OutputChunk { offset, data } = chunk;
        match data.len() {
            0 => return Err(broken("an empty chunk of output")),
            1..=MAX_CHUNK_BYTES => {}
            length => return Err(broken(&format!("a chunk of output of {length} bytes"))),
        }
        if offset != self.output {
            let due = self.output;
            return Err(broken(&format!("output at offset {offset} where {due} was due")));
        }
        let end = offset.checked_add(data.len() as u64);
        self.output = end.ok_or_else(|| broken("output without end"))?;
        Ok(data)
    }
}

fn broken(what: &str) -> GuestError {
    GuestError::Protocol { what: what.to_owned() }
}

fn refusal(refused: &v1::ExecRefused) -> Result<ExecEvent, GuestError> {
    use exec_refused::Reason;
    let v1::ExecRefused { reason, message } = refused;
    let reason = match Reason::try_from(*reason) {
        Ok(Reason::NotFound) => RefusalReason::NotFound,
        Ok(Reason::NotExecutable) => RefusalReason::NotExecutable,
        Ok(Reason::UnknownUser) => RefusalReason::UnknownUser,
        Ok(Reason::BadWorkdir) => RefusalReason::BadWorkdir,
        Ok(Reason::Invalid) => RefusalReason::Invalid,
        Ok(Reason::Agent) => RefusalReason::Agent,
        Ok(Reason::PartsLost) => RefusalReason::PartsLost,
        Ok(Reason::Unsupported) => RefusalReason::Unsupported,
        Ok(Reason::Unspecified) | Err(_) => {
            return Err(broken(&format!("a refusal for the unknown reason {reason}")));
        }
    };
    Ok(ExecEvent::Refused { reason, message: text::bounded(message, text::MESSAGE_CHARACTERS) })
}

fn exit(exited: v1::ExecExited) -> Result<ExecExit, GuestError> {
    let v1::ExecExited {
        status,
        out_of_memory,
        timed_out,
        memory_peak_bytes,
        duration_nanos,
        disk_full,
        unkillable,
    } = exited;
    let status = match status {
        Some(exec_exited::Status::Code(code @ 0..=255)) => ExecStatus::Code(code),
        Some(exec_exited::Status::Signal(signal @ 1..=64)) => ExecStatus::Signal(signal),
        Some(status) => return Err(broken(&format!("an impossible exit: {status:?}"))),
        None => return Err(broken("an exit without code or signal")),
    };
    let disk_full = disk_full.map(|v1::DiskFull { mount, size_bytes, inodes }| DiskFull {
        mount: text::bounded(&mount, MOUNT_CHARACTERS),
        size_bytes,
        inodes,
    });
    Ok(ExecExit {
        status,
        out_of_memory,
        timed_out,
        memory_peak_bytes,
        duration: Duration::from_nanos(duration_nanos),
        disk_full,
        unkillable,
    })
}

#[cfg(test)]
mod tests;

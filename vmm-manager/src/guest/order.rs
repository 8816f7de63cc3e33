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
    GuestError,
    event::{DiskFull, ExecEvent, ExecExit, ExecStatus, RefusalReason},
    text,
};

/// A path in the guest; Linux itself has no longer ones.
const MOUNT_CHARACTERS: usize = 4096;

/// How far the answers to one command have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Fresh,
    Running,
    Over,
}

impl Order {
    pub(super) fn is_over(self) -> bool {
        self == Self::Over
    }

    /// Takes the agent's next word, or says why it may not come now.
    pub(super) fn admit(&mut self, response: v1::ExecResponse) -> Result<ExecEvent, GuestError> {
        let v1::ExecResponse { event } = response;
        let event = event.ok_or_else(|| broken("an answer to exec without an event"))?;
        match (*self, event) {
            (Self::Fresh, Event::Started(v1::ExecStarted { pid })) => {
                if pid == 0 {
                    return Err(broken("a command with process id 0"));
                }
                *self = Self::Running;
                Ok(ExecEvent::Started { pid })
            }
            (Self::Fresh, Event::Refused(refused)) => {
                *self = Self::Over;
                refusal(&refused)
            }
            (Self::Running, Event::Stdout(bytes)) => chunk(bytes).map(ExecEvent::Stdout),
            (Self::Running, Event::Stderr(bytes)) => chunk(bytes).map(ExecEvent::Stderr),
            (Self::Running, Event::Exited(exited)) => {
                *self = Self::Over;
                exit(exited).map(ExecEvent::Exited)
            }
            (Self::Running, Event::Started(_)) => Err(broken("a command that started twice")),
            (Self::Running, Event::Refused(_)) => Err(broken("a refusal after the start")),
            (Self::Fresh, _) => Err(broken("an event of a command before its start")),
            (Self::Over, _) => Err(broken("an event of a command after its end")),
        }
    }
}

fn broken(what: &str) -> GuestError {
    GuestError::Protocol { what: what.to_owned() }
}

fn chunk(bytes: Bytes) -> Result<Bytes, GuestError> {
    match bytes.len() {
        0 => Err(broken("an empty chunk of output")),
        1..=MAX_CHUNK_BYTES => Ok(bytes),
        length => Err(broken(&format!("a chunk of output of {length} bytes"))),
    }
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

//! Disks that carry something into a guest or out of it: what is asked, and how it ended.

use std::{sync::Arc, time::Duration};

use kiln_proto::agent::v1::{self, disk_refused, disk_response::Event};
use tokio::time::{Instant, timeout_at};
use tonic::Streaming;

use super::{GuestError, session::Session, text};

/// What a disk's bytes are, in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFormat {
    /// A tar, and a directory.
    Tar,
    /// Bytes, and one regular file.
    Raw,
}

/// A source disk, to be brought into the guest's file system. Asked again, also over a later
/// connection, the agent says what came of the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpack {
    /// The virtio serial.
    pub disk: String,
    /// Of the source; the disk may be longer.
    pub length: u64,
    pub format: DiskFormat,
    /// Absolute.
    pub path: String,
    /// Between two signs of life.
    pub silence: Duration,
    /// From the request to the end.
    pub limit: Duration,
}

/// A part of the guest's file system, to be written to an output disk. Asked again, as [`Unpack`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// The virtio serial.
    pub disk: String,
    /// The disk's size: an agent that claims to have written more breaks the protocol.
    pub disk_bytes: u64,
    pub format: DiskFormat,
    /// Absolute.
    pub path: String,
    /// Between two signs of life.
    pub silence: Duration,
    /// From the request to the end.
    pub limit: Duration,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskEnd {
    /// What was read from the disk, or written to it: never more than what was asked for, or than
    /// the disk holds.
    Done {
        length: u64,
    },
    Refused {
        reason: DiskRefusal,
        message: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskRefusal {
    /// No such path in the guest, or it is not what the format needs.
    NotFound,
    /// More than the disk holds.
    TooLarge,
    /// The source is no archive of the format, or holds what cannot be made.
    Invalid,
    /// The guest's own file system has no room left.
    DiskFull,
    /// The agent could not do its part.
    Agent,
}

impl From<DiskFormat> for i32 {
    fn from(format: DiskFormat) -> Self {
        match format {
            DiskFormat::Tar => v1::DiskFormat::Tar,
            DiskFormat::Raw => v1::DiskFormat::Raw,
        }
        .into()
    }
}

impl Unpack {
    pub(super) fn request(self) -> (v1::UnpackRequest, Patience) {
        let Self { disk, length, format, path, silence, limit } = self;
        let request = v1::UnpackRequest { disk, length_bytes: length, format: format.into(), path };
        (request, Patience::new("unpack", length, silence, limit))
    }
}

impl Pack {
    pub(super) fn request(self) -> (v1::PackRequest, Patience) {
        let Self { disk, disk_bytes, format, path, silence, limit } = self;
        let request = v1::PackRequest { disk, format: format.into(), path };
        (request, Patience::new("pack", disk_bytes, silence, limit))
    }
}

/// How long to wait for what is said of a disk, and how much may be said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) phase: &'static str,
    progress: Progress,
    silence: Duration,
    limit: Duration,
    end_by: Instant,
}

impl Patience {
    fn new(phase: &'static str, most: u64, silence: Duration, limit: Duration) -> Self {
        let progress = Progress { bytes: 0, most };
        Self { phase, progress, silence, limit, end_by: Instant::now() + limit }
    }

    /// The agent's next word, or which of the two limits it has overstepped.
    pub(super) async fn wait<T>(&self, word: impl Future<Output = T>) -> Result<T, GuestError> {
        let speak_by = Instant::now() + self.silence;
        let limit = if speak_by < self.end_by { self.silence } else { self.limit };
        timeout_at(speak_by.min(self.end_by), word)
            .await
            .map_err(|_| GuestError::Silent { phase: self.phase, limit })
    }

    /// Hears the agent out.
    pub(super) async fn until_end(
        mut self,
        session: &Arc<Session>,
        mut responses: Streaming<v1::DiskResponse>,
        said: &super::said::Said,
    ) -> Result<DiskEnd, GuestError> {
        loop {
            match self.wait(responses.message()).await? {
                Ok(Some(response)) => {
                    if let Some(end) = self.progress.admit(response)? {
                        return Ok(end);
                    }
                }
                Ok(None) => return Err(broken(format!("an {} without an end", self.phase))),
                Err(status) => return Err(session.failure(self.phase, &status, said).await),
            }
        }
    }
}

/// How far a disk has come, and how far it can.
#[derive(Clone, Copy, Debug)]
struct Progress {
    bytes: u64,
    most: u64,
}

impl Progress {
    /// Takes the agent's next word, or says why it cannot be true.
    fn admit(&mut self, response: v1::DiskResponse) -> Result<Option<DiskEnd>, GuestError> {
        let v1::DiskResponse { event } = response;
        match event {
            Some(Event::Progress(v1::DiskProgress { bytes })) => {
                self.advance(bytes)?;
                Ok(None)
            }
            Some(Event::Done(v1::DiskDone { length_bytes })) => {
                self.advance(length_bytes)?;
                Ok(Some(DiskEnd::Done { length: length_bytes }))
            }
            Some(Event::Refused(refused)) => refusal(&refused).map(Some),
            None => Err(broken("a word on a disk without an event".to_owned())),
        }
    }

    fn advance(&mut self, bytes: u64) -> Result<(), GuestError> {
        if bytes < self.bytes {
            return Err(broken(format!("a disk that went back from {} to {bytes}", self.bytes)));
        }
        if bytes > self.most {
            return Err(broken(format!("{bytes} bytes on a disk of {}", self.most)));
        }
        self.bytes = bytes;
        Ok(())
    }
}

fn refusal(refused: &v1::DiskRefused) -> Result<DiskEnd, GuestError> {
    use disk_refused::Reason;
    let v1::DiskRefused { reason, message } = refused;
    let reason = match Reason::try_from(*reason) {
        Ok(Reason::NotFound) => DiskRefusal::NotFound,
        Ok(Reason::TooLarge) => DiskRefusal::TooLarge,
        Ok(Reason::Invalid) => DiskRefusal::Invalid,
        Ok(Reason::DiskFull) => DiskRefusal::DiskFull,
        Ok(Reason::Agent) => DiskRefusal::Agent,
        Ok(Reason::Unspecified) | Err(_) => {
            return Err(broken(format!("a refusal for the unknown reason {reason}")));
        }
    };
    Ok(DiskEnd::Refused { reason, message: text::bounded(message, text::MESSAGE_CHARACTERS) })
}

fn broken(what: String) -> GuestError {
    GuestError::Protocol { what }
}

#[cfg(test)]
mod tests;

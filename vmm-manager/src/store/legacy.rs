//! The attachment of before jobs were durable: it goes when the lifecycle reads the log for it.
//!
//! The client brings the far ends of two bounded channels; the job's lifecycle takes the near
//! ends. Because the channels are bounded, a reader that is slow slows the command down.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::stream::Stream;

/// Chunks in flight each way: of at most 64 KiB, so this bounds an attachment's memory.
const DEPTH: usize = 8;

/// The client's ends.
#[derive(Debug)]
pub struct Attachment {
    /// Dropping it is the end of the command's stdin.
    pub stdin: mpsc::Sender<Bytes>,
    pub output: mpsc::Receiver<(Stream, Bytes)>,
}

/// The job's ends.
#[derive(Debug)]
pub struct AttachmentEnds {
    pub stdin: mpsc::Receiver<Bytes>,
    pub output: mpsc::Sender<(Stream, Bytes)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    #[error("the job was not created with `attach`; read its log instead")]
    NotAsked,
    #[error("the job has had its attachment already; read its log instead")]
    Taken,
    #[error("the job has ended; read its log instead")]
    Ended,
}

#[derive(Debug)]
pub(super) struct AttachPoint {
    asked: bool,
    client: Mutex<Option<oneshot::Sender<AttachmentEnds>>>,
    job: Mutex<Option<oneshot::Receiver<AttachmentEnds>>>,
}

impl AttachPoint {
    pub(super) fn new(asked: bool) -> Self {
        let (client, job) = oneshot::channel();
        Self { asked, client: Mutex::new(Some(client)), job: Mutex::new(Some(job)) }
    }

    /// The client's side.
    pub(super) fn attach(&self) -> Result<Attachment, AttachError> {
        if !self.asked {
            return Err(AttachError::NotAsked);
        }
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        let client = client.ok_or(AttachError::Taken)?;
        let (stdin, stdin_end) = mpsc::channel(DEPTH);
        let (output_end, output) = mpsc::channel(DEPTH);
        client
            .send(AttachmentEnds { stdin: stdin_end, output: output_end })
            .map_err(|_| AttachError::Ended)?;
        Ok(Attachment { stdin, output })
    }

    /// The job's side, once; `None` when the job is not one to attach to.
    pub(super) fn arrival(&self) -> Option<oneshot::Receiver<AttachmentEnds>> {
        let receiver = self.job.lock().unwrap_or_else(PoisonError::into_inner).take();
        receiver.filter(|_| self.asked)
    }
}

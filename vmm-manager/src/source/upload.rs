//! One source on its way in: parts go to a thread of its own, which writes while the next ones come.

use std::io;

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

use super::{Source, making::Making};

/// Parts that wait for the thread.
const DEPTH: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("{most} uploads are under way; try again when one of them has ended")]
    Busy { most: usize },
    #[error(
        "{size_bytes} bytes are more than the {free_bytes} that are left for sources on this host; \
         try again when jobs have ended"
    )]
    OverBudget { size_bytes: u64, free_bytes: u64 },
    #[error("the host's disk has no room left for the source; try again when jobs have ended")]
    DiskFull,
    #[error("more arrived than the {announced} bytes that were announced")]
    Longer { announced: u64 },
    #[error("{arrived} bytes arrived, and {announced} were announced")]
    Shorter { announced: u64, arrived: u64 },
    #[error("what arrived is {arrived}; begin anew")]
    Other { arrived: String },
    #[error("{offset} is behind the {kept} bytes that are here; ask FindSource where to go on")]
    NotThere { offset: u64, kept: u64 },
    #[error("an earlier part of the upload was not written")]
    Broken,
    #[error("the source could not be written")]
    Io { source: io::Error },
}

impl From<io::Error> for UploadError {
    fn from(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io { source },
        }
    }
}

#[derive(Debug)]
enum Message {
    Part(Bytes),
    End,
}

/// A source that is not there yet. Dropped before its end it leaves nothing, but where it is known
/// what it is to become: then what has arrived is kept for a while.
#[derive(Debug)]
pub struct Upload {
    messages: mpsc::Sender<Message>,
    thread: JoinHandle<Result<Option<Source>, UploadError>>,
    /// No part is missing among those that were sent.
    unbroken: bool,
}

impl Upload {
    pub(super) fn new(making: Making) -> Self {
        let (messages, taken) = mpsc::channel(DEPTH);
        let thread = spawn_blocking(move || make(making, taken));
        Self { messages, thread, unbroken: true }
    }

    /// Takes the next part. After an error nothing of the upload is left, and nothing else can be
    /// done with it.
    ///
    /// # Cancel safety
    /// Not safe: an upload that was cancelled in a write can only be dropped.
    pub async fn write(&mut self, part: Bytes) -> Result<(), UploadError> {
        if !self.unbroken {
            return Err(UploadError::Broken);
        }
        self.unbroken = false;
        if self.messages.send(Message::Part(part)).await.is_err() {
            return Err(self.end().await.err().unwrap_or(UploadError::Broken));
        }
        self.unbroken = true;
        Ok(())
    }

    /// Makes it a source, which lasts from here on. Where the tenant has these bytes already, it is
    /// that source.
    ///
    /// # Cancel safety
    /// Safe: there is a source or nothing.
    pub async fn finish(mut self) -> Result<Source, UploadError> {
        if !self.unbroken {
            return Err(UploadError::Broken);
        }
        // One that has failed says why as it ends.
        let _ = self.messages.send(Message::End).await;
        self.end().await?.ok_or(UploadError::Broken)
    }

    async fn end(&mut self) -> Result<Option<Source>, UploadError> {
        // It ends badly only if it panicked, and what it held has been dropped by then.
        (&mut self.thread).await.unwrap_or(Err(UploadError::Broken))
    }
}

/// The thread. Whoever dropped the upload waits for nothing, not for the removal of a large file
/// either.
fn make(
    mut making: Making,
    mut messages: mpsc::Receiver<Message>,
) -> Result<Option<Source>, UploadError> {
    while let Some(message) = messages.blocking_recv() {
        match message {
            Message::Part(part) => making.write(&part)?,
            Message::End => return making.finish().map(Some),
        }
    }
    making.leave();
    Ok(None)
}

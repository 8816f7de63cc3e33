//! The one writer of a log.

use std::{io, mem, path::PathBuf};

use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    AppendError, Log, LogQuota, LogState, OpenError, blocking,
    pen::Pen,
    recover::{Recovered, recover},
};
use crate::stream::Stream;

/// Dropping the writer closes the log: followers come to its end. What is to outlast the host is
/// sealed before.
#[derive(Debug)]
pub struct LogWriter {
    log: Log,
    pen: Hand,
}

/// Where the pen is.
#[derive(Debug)]
enum Hand {
    Idle(Pen),
    /// Writing, perhaps for a caller who has gone.
    Busy(JoinHandle<(Pen, io::Result<()>)>),
    /// Lost with a thread that panicked, or with its runtime.
    Empty,
}

impl LogWriter {
    /// An empty log in `directory`, where there is none. No file is made before there is output.
    pub fn create(directory: PathBuf, quota: LogQuota) -> (Self, Log) {
        Self::with(directory, quota, Recovered::default())
    }

    /// The log in `directory`: a new one, or one that a killed daemon left, which goes on where
    /// its last whole record ends.
    pub async fn open(directory: PathBuf, quota: LogQuota) -> Result<(Self, Log), OpenError> {
        blocking(move || recover(&directory).map(|found| Self::with(directory, quota, found))).await
    }

    fn with(directory: PathBuf, quota: LogQuota, found: Recovered) -> (Self, Log) {
        let Recovered { segments, file } = found;
        let log = Log::new(directory, LogState { segments, closed: false });
        let pen = Pen::new(log.shared.clone(), quota, file);
        (Self { log: log.clone(), pen: Hand::Idle(pen) }, log)
    }

    /// Where the next byte goes.
    pub fn end_offset(&self) -> u64 {
        self.log.summary().end_offset
    }

    /// Appends what one stream wrote, at most 1 MiB. When it returns, readers see it. Waits while
    /// the pinned reader, or one that is expected, is too far behind.
    ///
    /// After an error the log is as it was before, and the same may be appended again.
    ///
    /// # Cancel safety
    /// Safe while it waits for a reader. A write that has begun goes on without its caller, and is
    /// then seen as a whole or not at all: what became of it is in the log's end.
    pub async fn append(&mut self, stream: Stream, data: &[u8]) -> Result<(), AppendError> {
        if data.is_empty() {
            return Ok(());
        }
        let appended = async {
            let drops_before = self.pen().await?.drops_before(data.len());
            let end = self.end_offset();
            self.log.shared.pin.room(end, drops_before).await;
            self.pen().await?.load(data);
            self.write(move |pen| pen.append(stream)).await
        };
        appended.await.map_err(|source| AppendError { offset: self.end_offset(), source })
    }

    /// Puts the whole log on the disk for good, then lets its followers come to its end. After it
    /// nothing can be appended; after an error it may be tried again.
    ///
    /// # Cancel safety
    /// Safe: it goes on without its caller, and may be asked for again.
    pub async fn seal(&mut self) -> Result<(), AppendError> {
        let sealed = async {
            self.pen().await?;
            self.write(Pen::seal).await
        };
        sealed.await.map_err(|source| AppendError { offset: self.end_offset(), source })
    }

    /// The pen, once it is idle.
    async fn pen(&mut self) -> io::Result<&mut Pen> {
        // What a caller who has gone would have been told shows in the log's end.
        let _ = self.settle().await?;
        match &mut self.pen {
            Hand::Idle(pen) => Ok(pen),
            Hand::Busy(_) | Hand::Empty => Err(gone()),
        }
    }

    /// Writes on a thread that may block, and takes the pen back.
    async fn write(
        &mut self,
        write: impl FnOnce(&mut Pen) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let Hand::Idle(mut pen) = mem::replace(&mut self.pen, Hand::Empty) else {
            return Err(gone());
        };
        self.pen = Hand::Busy(spawn_blocking(move || {
            let result = write(&mut pen);
            (pen, result)
        }));
        self.settle().await?
    }

    /// Waits for what is being written: its result, once.
    async fn settle(&mut self) -> io::Result<io::Result<()>> {
        let Hand::Busy(writing) = &mut self.pen else { return Ok(Ok(())) };
        let (pen, result) = match writing.await {
            Ok((pen, result)) => (Hand::Idle(pen), Ok(result)),
            Err(error) => (Hand::Empty, Err(io::Error::other(error))),
        };
        self.pen = pen;
        result
    }

    /// Once nothing is being written for a caller who has gone.
    #[cfg(test)]
    pub(super) async fn settled(&mut self) {
        let _ = self.settle().await;
    }
}

fn gone() -> io::Error {
    io::Error::other("the log's writer is gone")
}

//! The one writer of a log.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use tokio::{
    fs::{self, File},
    io::{self, AsyncWriteExt as _},
    sync::watch,
};

use super::{
    Log, LogQuota, LogState, Segment,
    record::{HEADER_BYTES, RecordHeader},
    segment_path,
};
use crate::stream::Stream;

/// Dropping the writer closes the log: followers come to its end.
#[derive(Debug)]
pub struct LogWriter {
    directory: Arc<PathBuf>,
    quota: LogQuota,
    state: watch::Sender<LogState>,
    /// The last segment's file.
    file: Option<File>,
}

impl LogWriter {
    /// An empty log in `directory`, which exists. No file is made before there is output.
    pub fn create(directory: PathBuf, quota: LogQuota) -> (Self, Log) {
        let (state, receiver) = watch::channel(LogState::default());
        let directory = Arc::new(directory);
        let log = Log { directory: Arc::clone(&directory), state: receiver };
        (Self { directory, quota, state, file: None }, log)
    }

    /// Appends what one stream wrote. When it returns, readers see it.
    ///
    /// After an error the log is left as it was before: a torn record is behind the last
    /// published byte, and the next append goes to a new segment.
    pub async fn append(&mut self, stream: Stream, data: &[u8]) -> io::Result<()> {
        let Ok(length) = u32::try_from(data.len()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if length == 0 {
            return Ok(());
        }
        let record_bytes = (HEADER_BYTES + data.len()) as u64;
        let mut file = self.file_for(record_bytes).await?;
        let header = RecordHeader { length, stream, time: SystemTime::now() };
        file.write_all(&header.encode()).await?;
        file.write_all(data).await?;
        file.flush().await?;
        self.file = Some(file);
        self.state.send_modify(|state| {
            if let Some(last) = state.segments.last_mut() {
                last.end += u64::from(length);
                last.file_bytes += record_bytes;
            }
        });
        Ok(())
    }

    /// The file that takes the next record, a new one when the last is full.
    async fn file_for(&mut self, record_bytes: u64) -> io::Result<File> {
        let (last, tail_count) = {
            let state = self.state.borrow();
            (state.segments.last().copied(), state.segments.len().saturating_sub(1))
        };
        if let (Some(last), Some(file)) = (last, self.file.take()) {
            let limit = if last.number == 0 {
                self.quota.head_bytes
            } else {
                self.quota.tail_segment_bytes
            };
            if last.file_bytes + record_bytes <= limit {
                return Ok(file);
            }
        }
        if tail_count >= 2 {
            self.drop_oldest_tail().await?;
        }
        let number = last.map_or(0, |last| last.number + 1);
        let start = last.map_or(0, |last| last.end);
        let file = File::create(segment_path(&self.directory, number)).await?;
        self.state.send_modify(|state| {
            state.segments.push(Segment { number, start, end: start, file_bytes: 0 });
        });
        Ok(file)
    }

    /// A reader that has the file open reads on; one that has not is told of the gap.
    async fn drop_oldest_tail(&self) -> io::Result<()> {
        let number = self.state.borrow().segments[1].number;
        self.state.send_modify(|state| {
            state.segments.remove(1);
        });
        fs::remove_file(segment_path(&self.directory, number)).await
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.state.send_modify(|state| state.closed = true);
    }
}

//! A reader of a log, at its own pace.

use std::{io::SeekFrom, time::SystemTime};

use bytes::Bytes;
use tokio::{
    fs::File,
    io::{self, AsyncReadExt as _, AsyncSeekExt as _, BufReader},
};

use super::{
    Log, Segment,
    record::{HEADER_BYTES, RecordHeader},
    segment_path,
};
use crate::stream::Stream;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    Chunk {
        offset: u64,
        time: SystemTime,
        stream: Stream,
        data: Bytes,
    },
    /// What the quota dropped, from `offset` on.
    Gap {
        offset: u64,
        dropped_bytes: u64,
    },
}

#[derive(Debug)]
pub struct LogReader {
    log: Log,
    /// Of the next byte of output to hand out.
    offset: u64,
    open: Option<OpenSegment>,
}

#[derive(Debug)]
struct OpenSegment {
    number: u64,
    file: BufReader<File>,
    /// The offset of the record at the file's cursor.
    offset: u64,
}

impl LogReader {
    pub(super) fn new(log: Log, offset: u64) -> Self {
        Self { log, offset, open: None }
    }

    /// The next event that is stored already, or `None` at the end of what there is.
    pub async fn next_stored(&mut self) -> io::Result<Option<LogEvent>> {
        loop {
            let Some(segment) = self.segment() else { return Ok(None) };
            if self.offset < segment.start {
                let offset = std::mem::replace(&mut self.offset, segment.start);
                let dropped_bytes = segment.start - offset;
                return Ok(Some(LogEvent::Gap { offset, dropped_bytes }));
            }
            match self.read_record(segment).await {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                // The writer dropped the segment between our look at the state and the open: the
                // state no longer names it, so the next round meets the gap instead.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next event, waiting for it, or `None` when the log is closed and read to its end.
    pub async fn next_followed(&mut self) -> io::Result<Option<LogEvent>> {
        loop {
            // Looked at before the read: what is appended in between closes no gap unseen.
            let closed = self.log.state.borrow_and_update().closed;
            if let Some(event) = self.next_stored().await? {
                return Ok(Some(event));
            }
            if closed || self.log.state.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    /// The first segment that holds something at or behind our offset.
    fn segment(&self) -> Option<Segment> {
        let state = self.log.state.borrow();
        state.segments.iter().find(|segment| self.offset < segment.end).copied()
    }

    /// Reads one record; `None` for one that lies before our offset.
    async fn read_record(&mut self, segment: Segment) -> io::Result<Option<LogEvent>> {
        let mut open = match self.open.take() {
            Some(open) if open.number == segment.number => open,
            _ => {
                let path = segment_path(&self.log.directory, segment.number);
                let file = BufReader::new(File::open(path).await?);
                OpenSegment { number: segment.number, file, offset: segment.start }
            }
        };
        let mut header = [0; HEADER_BYTES];
        open.file.read_exact(&mut header).await?;
        let header = RecordHeader::decode(header).ok_or(io::ErrorKind::InvalidData)?;
        let start = open.offset;
        let end = start + u64::from(header.length);
        if end > segment.end {
            return Err(io::ErrorKind::InvalidData.into());
        }
        open.offset = end;
        if end <= self.offset {
            open.file.seek(SeekFrom::Current(i64::from(header.length))).await?;
            self.open = Some(open);
            return Ok(None);
        }
        let mut data = vec![0; header.length as usize];
        open.file.read_exact(&mut data).await?;
        self.open = Some(open);
        let skip = usize::try_from(self.offset.saturating_sub(start)).unwrap_or(usize::MAX);
        let offset = std::mem::replace(&mut self.offset, end);
        let data = Bytes::from(data).slice(skip..);
        Ok(Some(LogEvent::Chunk { offset, time: header.time, stream: header.stream, data }))
    }
}

//! A reader of a log, at its own pace.

use std::{
    fs::File, io, mem, os::unix::fs::FileExt as _, path::PathBuf, sync::Arc, time::SystemTime,
};

use bytes::{Bytes, BytesMut};
use tokio::task::spawn_blocking;

use super::{
    Log,
    record::{Content, HEADER_BYTES, Place, RecordHeader},
    segment::{self, SEGMENT_HEADER_BYTES, Segment},
};
use crate::stream::Stream;

/// Read at once, where there is so much.
const BLOCK_BYTES: u64 = 128 * 1024;

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
    cursor: Option<Cursor>,
}

/// A place in a segment: at the beginning of a record.
#[derive(Debug)]
struct Cursor {
    number: u64,
    /// Opened with the first block.
    file: Option<Arc<File>>,
    /// In the file.
    position: u64,
    /// In the output.
    offset: u64,
    /// What was read from `position` on. Its memory is used again once what was handed out of it
    /// is gone.
    block: BytesMut,
}

impl LogReader {
    pub(super) fn new(log: Log, offset: u64) -> Self {
        Self { log, offset, cursor: None }
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// Of the next byte of output to hand out.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next event that is stored already, or `None` at the end of what there is.
    ///
    /// # Cancel safety
    /// Safe: no event is lost.
    pub async fn next_stored(&mut self) -> io::Result<Option<LogEvent>> {
        loop {
            let Some(segment) = self.segment() else { return Ok(None) };
            if self.offset < segment.start {
                let offset = mem::replace(&mut self.offset, segment.start);
                let dropped_bytes = segment.start - offset;
                return Ok(Some(LogEvent::Gap { offset, dropped_bytes }));
            }
            match self.read_record(segment).await {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                // The writer dropped the segment between our look at the state and the open: the
                // state no longer names it, so the next round meets the gap instead.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.names(segment) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next event, waiting for it, or `None` when the log is closed and read to its end.
    ///
    /// # Cancel safety
    /// Safe: no event is lost.
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

    fn names(&self, segment: Segment) -> bool {
        self.log.state.borrow().segments.iter().any(|known| known.number == segment.number)
    }

    /// Takes one record; `None` for one that lies before our offset.
    async fn read_record(&mut self, segment: Segment) -> io::Result<Option<LogEvent>> {
        let cursor = match &mut self.cursor {
            Some(cursor) if cursor.number == segment.number => cursor,
            cursor => cursor.insert(Cursor::at_start(segment)),
        };
        let header = cursor.header(&self.log, segment).await?;
        let place = Place { salt: segment.salt, offset: cursor.offset };
        let Content::Output { stream, time } = header.content else { return Err(damaged()) };
        let (start, end) = (cursor.offset, cursor.offset + u64::from(header.length));
        if end > segment.end || !header.vouches_for(place, &cursor.block[..header.record_bytes()]) {
            return Err(damaged());
        }
        let mut data = cursor.take(&header);
        if end <= self.offset {
            return Ok(None);
        }
        let skip = usize::try_from(self.offset.saturating_sub(start)).unwrap_or(usize::MAX);
        let offset = mem::replace(&mut self.offset, end);
        Ok(Some(LogEvent::Chunk { offset, time, stream, data: data.split_off(skip) }))
    }
}

impl Cursor {
    fn at_start(segment: Segment) -> Self {
        Self {
            number: segment.number,
            file: None,
            position: SEGMENT_HEADER_BYTES as u64,
            offset: segment.start,
            block: BytesMut::new(),
        }
    }

    /// The header of the record here, once the whole record is in the block.
    async fn header(&mut self, log: &Log, segment: Segment) -> io::Result<RecordHeader> {
        let mut needed = HEADER_BYTES;
        loop {
            if self.block.len() < needed {
                self.fill(log, segment, needed).await?;
            }
            let header = self.block.first_chunk().and_then(RecordHeader::decode);
            let header = header.ok_or_else(damaged)?;
            needed = header.record_bytes();
            if self.block.len() >= needed {
                return Ok(header);
            }
        }
    }

    /// Reads the block again, from here on: `needed` bytes, and more where there are more.
    async fn fill(&mut self, log: &Log, segment: Segment, needed: usize) -> io::Result<()> {
        let available = segment.file_bytes.saturating_sub(self.position);
        if available < needed as u64 {
            return Err(damaged());
        }
        let length = usize::try_from(available.min(BLOCK_BYTES.max(needed as u64)));
        let length = length.map_err(|_| damaged())?;
        let path = segment::path(&log.shared.directory, self.number);
        let (file, position) = (self.file.clone(), self.position);
        let mut block = mem::take(&mut self.block);
        block.clear();
        // Here, and not on one of many threads whose arenas would each keep so much.
        block.resize(length, 0);
        let read = spawn_blocking(move || read(file, path, position, block));
        let (file, block) = read.await.map_err(io::Error::other)??;
        self.file = Some(file);
        self.block = block;
        Ok(())
    }

    /// The data of the record here, and goes on to the next.
    fn take(&mut self, header: &RecordHeader) -> Bytes {
        let mut record = self.block.split_to(header.record_bytes());
        self.position += record.len() as u64;
        self.offset += u64::from(header.length);
        record.split_off(HEADER_BYTES).freeze()
    }
}

fn read(
    file: Option<Arc<File>>,
    path: PathBuf,
    position: u64,
    mut block: BytesMut,
) -> io::Result<(Arc<File>, BytesMut)> {
    let file = match file {
        Some(file) => file,
        None => Arc::new(File::open(path)?),
    };
    file.read_exact_at(&mut block, position)?;
    Ok((file, block))
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a record of the log is not as it was written")
}

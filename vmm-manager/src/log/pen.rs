//! What writes the files of a log, on a thread that may block.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    sync::Arc,
    time::SystemTime,
};

use rustix::rand::{GetRandomFlags, getrandom};

use super::{
    LogQuota, Shared,
    record::{self, HEADER_BYTES, MAX_DATA_BYTES, Place},
    segment::{self, SEGMENT_HEADER_BYTES, Segment, SegmentHeader},
    survey::MOST_SEGMENTS,
};
use crate::stream::Stream;

/// Whoever holds it may write. It alone publishes, and dropping it closes the log.
#[derive(Debug)]
pub(super) struct Pen {
    shared: Arc<Shared>,
    quota: LogQuota,
    /// The last segment's.
    file: Option<File>,
    /// What is to be written: kept for the next time.
    buffer: Vec<u8>,
    /// Dropped segments whose files would not go.
    stale: Vec<u64>,
    sealed: bool,
}

impl Pen {
    pub(super) fn new(shared: Arc<Shared>, quota: LogQuota, file: Option<File>) -> Self {
        Self { shared, quota, file, buffer: Vec::new(), stale: Vec::new(), sealed: false }
    }

    /// Where output ends that a record of `data_bytes` would drop; 0 when it drops none.
    pub(super) fn drops_before(&self, data_bytes: usize) -> u64 {
        let state = self.shared.publisher.borrow();
        match &state.segments[..] {
            [.., last] if self.fits(last, data_bytes) => 0,
            [_, oldest, .., _] => oldest.end,
            _ => 0,
        }
    }

    fn fits(&self, last: &Segment, data_bytes: usize) -> bool {
        let limit = match last.number {
            0 => self.quota.head_bytes,
            _ => self.quota.tail_segment_bytes,
        };
        last.file_bytes + (HEADER_BYTES + data_bytes) as u64 <= limit
    }

    /// Takes a copy of what is to be appended.
    pub(super) fn load(&mut self, data: &[u8]) {
        self.buffer.clear();
        self.buffer.resize(SEGMENT_HEADER_BYTES + HEADER_BYTES, 0);
        self.buffer.extend_from_slice(data);
    }

    /// Appends what was loaded. After an error the log is as it was.
    pub(super) fn append(&mut self, stream: Stream) -> io::Result<()> {
        if self.sealed {
            return Err(io::Error::other("the log is sealed"));
        }
        let data_bytes = self.buffer.len() - SEGMENT_HEADER_BYTES - HEADER_BYTES;
        if data_bytes > MAX_DATA_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a record of that length"));
        }
        let last = self.shared.publisher.borrow().segments.last().copied();
        match last.filter(|last| self.fits(last, data_bytes)) {
            Some(last) => self.append_to(last, stream),
            None => self.append_new(last, stream),
        }
    }

    fn append_to(&mut self, last: Segment, stream: Stream) -> io::Result<()> {
        self.put_header(last.end_place(), stream);
        let Some(file) = &self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let record = &self.buffer[SEGMENT_HEADER_BYTES..];
        if let Err(error) = self.write(file, record, last.file_bytes) {
            // What was written of it is behind the end, where the next record goes; this spares the
            // next start the look at it.
            let _ = file.set_len(last.file_bytes);
            return Err(error);
        }
        let (data, record) = ((record.len() - HEADER_BYTES) as u64, record.len() as u64);
        self.shared.publisher.send_modify(|state| {
            if let Some(last) = state.segments.last_mut() {
                last.end += data;
                last.file_bytes += record;
            }
        });
        Ok(())
    }

    /// Begins a segment with the record. The oldest goes only when the new one is there, so a kill
    /// between the two leaves one too many, and a full disk changes nothing.
    fn append_new(&mut self, last: Option<Segment>, stream: Stream) -> io::Result<()> {
        self.remove_stale();
        let number = last.map_or(0, |last| last.number + 1);
        let start = last.map_or(0, |last| last.end);
        let head_end = self.shared.publisher.borrow().segments.first().map_or(0, |head| head.end);
        let salt = salt()?;
        if number == 1 {
            // From now on a head that is not whole is damaged, not torn.
            self.sync_last()?;
            self.sync_directory()?;
        }
        let header = SegmentHeader { number, start, head_end, salt };
        self.buffer[..SEGMENT_HEADER_BYTES].copy_from_slice(&header.encode());
        self.put_header(Place { salt, offset: start }, stream);
        let path = segment::path(&self.shared.directory, number);
        let create = || {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(true).open(&path)?;
            self.write(&file, &self.buffer, 0)?;
            Ok(file)
        };
        match create() {
            Ok(file) => self.file = Some(file),
            Err(error) => {
                // Were it to stay, it would be taken for one that was never written into.
                let _ = fs::remove_file(&path);
                return Err(error);
            }
        }
        let file_bytes = self.buffer.len() as u64;
        let end = start + file_bytes - (SEGMENT_HEADER_BYTES + HEADER_BYTES) as u64;
        let mut dropped = None;
        self.shared.publisher.send_modify(|state| {
            state.segments.push(Segment { number, start, end, file_bytes, salt });
            if state.segments.len() > MOST_SEGMENTS {
                dropped = Some(state.segments.remove(1).number);
            }
        });
        self.stale.extend(dropped);
        self.remove_stale();
        Ok(())
    }

    fn put_header(&mut self, place: Place, stream: Stream) {
        let (headers, data) = self.buffer.split_at_mut(SEGMENT_HEADER_BYTES + HEADER_BYTES);
        let header = record::header(place, stream, SystemTime::now(), data);
        headers[SEGMENT_HEADER_BYTES..].copy_from_slice(&header);
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "tests let it fail"))]
    fn write(&self, file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
        #[cfg(test)]
        self.shared.faults.strike(Some((file, bytes, position)))?;
        file.write_all_at(bytes, position)
    }

    /// A reader that has the file open reads on; one that has not is told of the gap.
    fn remove_stale(&mut self) {
        let directory = &self.shared.directory;
        self.stale.retain(|number| {
            let path = segment::path(directory, *number);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "a dropped part of a log is left");
                    true
                }
                Ok(()) | Err(_) => false,
            }
        });
    }

    /// Puts the whole log on the disk for good, and closes it.
    pub(super) fn seal(&mut self) -> io::Result<()> {
        if self.sealed {
            return Ok(());
        }
        let segments = self.shared.publisher.borrow().segments.clone();
        if let (Some(last), Some(file)) = (segments.last(), &self.file) {
            // Only spares readers the search for the end, so a full disk may do without.
            if self.write(file, &record::end(last.end_place()), last.file_bytes).is_err() {
                let _ = file.set_len(last.file_bytes);
            }
            for segment in &segments[..segments.len() - 1] {
                let path = segment::path(&self.shared.directory, segment.number);
                File::open(path)?.sync_data()?;
            }
            self.sync_last()?;
            self.sync_directory()?;
        }
        self.sealed = true;
        self.shared.publisher.send_modify(|state| state.closed = true);
        Ok(())
    }

    fn sync_last(&self) -> io::Result<()> {
        #[cfg(test)]
        self.shared.faults.strike(None)?;
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// Its names, too, are on the disk then.
    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.shared.directory)?.sync_all()
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        self.shared.publisher.send_modify(|state| state.closed = true);
    }
}

fn salt() -> io::Result<u32> {
    let mut bytes = [0; 4];
    // So few bytes come whole, once the pool is initialised.
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(u32::from_le_bytes(bytes))
}

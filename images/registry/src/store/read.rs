//! Files as streams. What the kernel has in memory is taken at once; what a disk has to be waited for
//! is read on a blocking thread.

use std::{
    fs::File,
    future::Future as _,
    io::{self, IoSliceMut},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use rustix::io::{ReadWriteFlags, preadv2};
use tokio::task::JoinHandle;

use super::holds::Hold;
use crate::content::Chunks;

pub(super) const CHUNK_BYTES: u64 = 256 << 10;

struct Whole {
    file: Arc<File>,
    next: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    /// Until the last byte was read.
    _hold: Arc<Hold>,
}

pub(super) fn whole(file: Arc<File>, start: u64, end: u64, hold: Arc<Hold>) -> Chunks {
    Box::pin(Whole { file, next: start, end, reading: None, _hold: hold })
}

impl Whole {
    fn begin(&mut self) {
        let length = self.end.saturating_sub(self.next).min(CHUNK_BYTES);
        if length > 0 {
            let (file, at) = (Arc::clone(&self.file), self.next);
            self.next += length;
            self.reading = Some(tokio::task::spawn_blocking(move || read(&file, at, length)));
        }
    }
}

impl Stream for Whole {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.reading.is_none() {
            if let Some(bytes) = cached(&self.file, self.next, self.end) {
                self.next += bytes.len() as u64;
                return Poll::Ready(Some(Ok(bytes)));
            }
            self.begin();
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = std::task::ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let read = read.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()));
        if read.is_err() {
            self.next = self.end;
        }
        Poll::Ready(Some(read))
    }
}

/// What can be had without waiting for a disk, up to a chunk: a thread that has to be woken for each
/// chunk costs more than the copy does. None where there is nothing, or nobody can tell.
pub(super) fn cached(file: &File, at: u64, end: u64) -> Option<Bytes> {
    let length = usize::try_from(end.saturating_sub(at).min(CHUNK_BYTES)).ok()?;
    if length == 0 {
        return None;
    }
    let mut buffer = vec![0; length];
    let into = &mut [IoSliceMut::new(&mut buffer)];
    let read = preadv2(file, into, at, ReadWriteFlags::NOWAIT).ok()?;
    buffer.truncate(read);
    (read > 0).then(|| buffer.into())
}

/// Exactly so many: a file that ends before is an error.
pub(super) fn read(file: &File, at: u64, length: u64) -> io::Result<Bytes> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut buffer = Vec::with_capacity(length);
    while buffer.len() < length {
        let more = at + buffer.len() as u64;
        let spare = rustix::buffer::spare_capacity(&mut buffer);
        match rustix::io::pread(file, spare, more) {
            Ok(0) => return Err(cut_short()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    buffer.truncate(length);
    Ok(buffer.into())
}

/// What a reader is told when the file ends before the blob does.
fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the stored content ends early")
}

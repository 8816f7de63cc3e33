//! The disk's bytes, in buffers that come back.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use rustix::fs::{Advice, fadvise};

const BUFFER_BYTES: usize = 512 << 10;
/// So far ahead the kernel is told to read.
const AHEAD_BYTES: u64 = 8 << 20;

/// Read where it is asked for: a stream that never waits, for a thread of its own.
pub(super) struct Disk {
    file: File,
    at: u64,
    length: u64,
    /// Asked for of the kernel.
    ahead: u64,
    stop: Arc<AtomicBool>,
    buffers: Arc<Buffers>,
}

/// Those that nobody has just now. A new one of this size costs more than filling it.
#[derive(Default)]
struct Buffers(Mutex<Vec<Vec<u8>>>);

/// Goes back when its last part is dropped.
struct Lent {
    buffer: Vec<u8>,
    length: usize,
    home: Arc<Buffers>,
}

impl Disk {
    pub(super) fn new(file: File, length: u64, stop: Arc<AtomicBool>) -> Self {
        // Advice: where it is not taken, all that is lost is time.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        Self { file, at: 0, length, ahead: 0, stop, buffers: Arc::default() }
    }

    fn read(&mut self) -> io::Result<Bytes> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        if self.ahead < self.length && self.at + AHEAD_BYTES / 2 >= self.ahead {
            let more = std::num::NonZeroU64::new(AHEAD_BYTES.min(self.length - self.ahead));
            let _ = fadvise(&self.file, self.ahead, more, Advice::WillNeed);
            self.ahead += AHEAD_BYTES;
        }
        let mut buffer = self.buffers.take();
        let left = usize::try_from(self.length - self.at).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        self.file.read_exact_at(&mut buffer[..length], self.at)?;
        self.at += length as u64;
        Ok(Bytes::from_owner(Lent { buffer, length, home: Arc::clone(&self.buffers) }))
    }
}

impl Stream for Disk {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.at >= self.length {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(self.read()))
    }
}

impl Buffers {
    fn take(&self) -> Vec<u8> {
        let lent = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        lent.unwrap_or_else(|| vec![0; BUFFER_BYTES])
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.home.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

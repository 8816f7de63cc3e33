//! What a client reads, part by part at its own pace.

use std::{fs::File, io, os::unix::fs::FileExt as _, sync::Arc};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::shelf::Reading;

/// All the memory that a reader needs.
const PART_BYTES: usize = 64 << 10;

/// Holds its output open: one that expires meanwhile is read to its end.
#[derive(Debug)]
pub struct OutputReader {
    file: Arc<File>,
    offset: u64,
    size_bytes: u64,
    _reading: Reading,
}

impl OutputReader {
    pub(super) fn new(file: File, offset: u64, size_bytes: u64, reading: Reading) -> Self {
        Self { file: Arc::new(file), offset, size_bytes, _reading: reading }
    }

    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The next part; `None` at the end.
    ///
    /// # Cancel safety
    /// Safe: a part that was not handed out is read again.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let left = usize::try_from(self.size_bytes.saturating_sub(self.offset));
        let part = left.unwrap_or(usize::MAX).min(PART_BYTES);
        if part == 0 {
            return Ok(None);
        }
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        let read = spawn_blocking(move || {
            let mut buffer = vec![0; part];
            file.read_exact_at(&mut buffer, offset).map(|()| buffer)
        });
        let buffer = read.await.map_err(io::Error::other)??;
        self.offset += buffer.len() as u64;
        Ok(Some(buffer.into()))
    }
}

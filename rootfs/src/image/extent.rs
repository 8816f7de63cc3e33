//! Bytes that lie somewhere in a file.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt as _,
    sync::Arc,
};

#[derive(Clone, Debug)]
pub struct Extent {
    pub file: Arc<File>,
    pub offset: u64,
    pub size: u64,
}

/// Reads an extent from its beginning to its end.
#[derive(Clone, Debug)]
pub struct ExtentReader {
    extent: Extent,
    at: u64,
}

impl Extent {
    pub fn reader(&self) -> ExtentReader {
        ExtentReader { extent: self.clone(), at: 0 }
    }

    /// All of it.
    pub(super) fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.size).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, self.offset)?;
        Ok(bytes)
    }
}

impl ExtentReader {
    /// Passes over bytes without reading them. They have to be there.
    pub(super) fn advance(&mut self, count: u64) -> io::Result<()> {
        if count > self.extent.size - self.at {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count;
        Ok(())
    }
}

impl Read for ExtentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.extent.size - self.at).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = self.extent.file.read_at(&mut buffer[..most], self.extent.offset + self.at)?;
        if read == 0 && most > 0 {
            // It was longer when it was opened.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

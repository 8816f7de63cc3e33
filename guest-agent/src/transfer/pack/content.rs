//! What an archive has of a file's content: exactly as much as its header says.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
};

use rustix::io::Errno;

use super::sparse::Segment;

/// A file that could not be read, on its way through the archive's writer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(pub(super) Errno);

/// The segments of a file one after the other; zeroes for what was cut off meanwhile.
pub(super) struct Content<'a> {
    file: &'a File,
    left: &'a [Segment],
    /// How much of the first one was read.
    within: u64,
}

impl<'a> Content<'a> {
    pub(super) fn new(file: &'a File, segments: &'a [Segment]) -> Self {
        Self { file, left: segments, within: 0 }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some((segment, later)) = self.left.split_first() {
            let left = segment.length - self.within;
            if left == 0 {
                (self.left, self.within) = (later, 0);
                continue;
            }
            let limit = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let buffer = &mut buffer[..limit];
            let read = match self.file.read_at(buffer, segment.offset + self.within) {
                Ok(0) => {
                    buffer.fill(0);
                    limit
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                    return Err(io::Error::other(Unreadable(errno)));
                }
            };
            self.within += read as u64;
            return Ok(read);
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_cut_off_is_zero_and_what_has_grown_is_left() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let segments = [(2, 3), (7, 0), (8, 5)].map(|(offset, length)| Segment { offset, length });
        let mut content = Vec::new();
        Content::new(&file, &segments).read_to_end(&mut content).unwrap();
        assert_eq!(content, b"23489\0\0\0");
    }
}

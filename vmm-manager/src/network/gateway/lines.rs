//! Lines of at most so many bytes, as they come in.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

const PART_BYTES: usize = 8 << 10;

/// Holds one line at most, and what came behind it.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Of the buffer: what was handed out.
    taken: usize,
    most: usize,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("a line is longer than {most} bytes")]
    TooLong { most: usize },
    #[error("it ends in the middle of a line")]
    Unfinished,
    #[error("it cannot be read")]
    Io(#[from] io::Error),
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R, most: usize) -> Self {
        Self { reader, buffer: Vec::new(), taken: 0, most }
    }

    /// The next line without its end; `None` behind the last.
    ///
    /// # Cancel safety
    /// Safe: what has been read is kept.
    pub(super) async fn next(&mut self) -> Result<Option<&[u8]>, LineError> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let mut looked_at = 0;
        loop {
            let end = self.buffer[looked_at..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end.map(|end| looked_at + end) {
                if end > self.most {
                    return Err(LineError::TooLong { most: self.most });
                }
                self.taken = end + 1;
                return Ok(Some(&self.buffer[..end]));
            }
            looked_at = self.buffer.len();
            if looked_at > self.most {
                return Err(LineError::TooLong { most: self.most });
            }
            self.buffer.reserve(PART_BYTES);
            // Into the buffer or not at all, so nothing is lost with this future.
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(LineError::Unfinished) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(bytes: &[u8], expected: &[&str], end: &str) {
        // Byte by byte, so that every line comes in parts.
        let (mut write, read) = tokio::io::duplex(1);
        let bytes = bytes.to_owned();
        let writing = tokio::spawn(async move {
            let _may_be_refused = tokio::io::AsyncWriteExt::write_all(&mut write, &bytes).await;
        });
        let mut lines = Lines::new(read, 5);
        for expected in expected {
            assert_eq!(lines.next().await.unwrap().unwrap(), expected.as_bytes());
        }
        match lines.next().await {
            Ok(None) => assert_eq!(end, ""),
            Ok(Some(line)) => panic!("{line:?}"),
            Err(error) => {
                assert!(!end.is_empty() && error.to_string().contains(end), "{error}");
            }
        }
        drop(lines);
        writing.await.unwrap();
    }

    #[tokio::test]
    async fn lines_come_whole_and_bounded() {
        check(b"", &[], "").await;
        check(b"one\ntwo\n", &["one", "two"], "").await;
        check(b"\n\n12345\n", &["", "", "12345"], "").await;
        check(b"one\n123456\n", &["one"], "longer than 5").await;
        check(b"12345678901234567890", &[], "longer than 5").await;
        check(b"one\ntw", &["one"], "middle").await;
    }

    #[tokio::test]
    async fn a_line_that_was_not_waited_for_is_not_lost() {
        let (mut write, read) = tokio::io::duplex(64);
        let mut lines = Lines::new(read, 16);
        tokio::io::AsyncWriteExt::write_all(&mut write, b"half").await.unwrap();
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), lines.next());
        assert!(waited.await.is_err());
        tokio::io::AsyncWriteExt::write_all(&mut write, b" a line\n").await.unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap(), b"half a line");
    }
}

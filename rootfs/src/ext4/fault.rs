//! Which side of a copy failed.

use std::io;

#[derive(Debug)]
pub(super) enum Fault {
    Read(io::Error),
    Write(io::Error),
}

impl From<io::Error> for Fault {
    /// Whatever is not said to be a read is a write.
    fn from(source: io::Error) -> Self {
        Self::Write(source)
    }
}

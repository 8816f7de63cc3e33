//! A disk as far as the host has said, and no further.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, Read, Take},
    rc::Rc,
};

use super::super::progress::Progress;

/// One request to the disk.
const READ_BYTES: usize = 256 * 1024;

pub(super) struct Source<'a> {
    disk: BufReader<Take<File>>,
    progress: &'a Progress,
    allowance: Allowance,
}

/// How much may be read at once where a reader would otherwise believe what it reads.
///
/// The archive's reader keeps whole in memory what describes an entry (long names, records, maps of
/// sparse files), and believes the archive of how long that is.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowance(Rc<Cell<Option<usize>>>);

impl Allowance {
    pub(super) fn limit(&self, bytes: usize) {
        self.0.set(Some(bytes));
    }

    pub(super) fn lift(&self) {
        self.0.set(None);
    }
}

impl<'a> Source<'a> {
    pub(super) fn new(disk: File, length: u64, progress: &'a Progress) -> Self {
        let disk = BufReader::with_capacity(READ_BYTES, disk.take(length));
        Self { disk, progress, allowance: Allowance::default() }
    }

    /// How much was read.
    pub(super) fn position(&self) -> u64 {
        self.progress.bytes()
    }

    pub(super) fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allowance.0.get();
        let limit = allowed.map_or(buffer.len(), |allowed| allowed.min(buffer.len()));
        if limit == 0 && !buffer.is_empty() {
            return Err(io::Error::other("what describes an entry is too long"));
        }
        let read = self.disk.read(&mut buffer[..limit])?;
        self.progress.add(read);
        self.allowance.0.set(allowed.map(|allowed| allowed - read));
        Ok(read)
    }
}

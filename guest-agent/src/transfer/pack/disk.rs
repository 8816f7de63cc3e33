//! An output disk: written from its first byte on, and never beyond its last.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};

use rustix::fs::fdatasync;

use super::super::{failure::Failure, progress::Progress};

/// One request to the disk.
const WRITE_BYTES: usize = 256 * 1024;

pub(in crate::transfer) struct Disk<'a> {
    file: File,
    pending: Vec<u8>,
    size: u64,
    /// Accepted, whether it is still pending or not.
    position: u64,
    progress: &'a Progress,
    /// Something was to be written beyond the end.
    is_full: bool,
}

impl<'a> Disk<'a> {
    pub(in crate::transfer) fn open(
        device: &Path,
        progress: &'a Progress,
    ) -> Result<Self, Failure> {
        let failed = |source| Failure::Agent { what: "open the disk", source };
        let mut file = OpenOptions::new().read(true).write(true).open(device).map_err(failed)?;
        let size = file.seek(SeekFrom::End(0)).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let pending = Vec::with_capacity(WRITE_BYTES);
        Ok(Self { file, pending, size, position: 0, progress, is_full: false })
    }

    /// Refuses what is known not to fit before any of it is written.
    pub(super) fn expect(&self, what: &'static str, bytes: u64) -> Result<(), Failure> {
        if bytes <= self.size {
            return Ok(());
        }
        let needed = format!("{bytes} bytes, more");
        Err(Failure::TooLarge { what, needed, disk_bytes: self.size })
    }

    /// What an error of writing means.
    pub(in crate::transfer) fn failure(&self, what: &'static str, source: io::Error) -> Failure {
        if self.is_full {
            let needed = "more".to_owned();
            Failure::TooLarge { what, needed, disk_bytes: self.size }
        } else {
            Failure::Agent { what: "write the disk", source }
        }
    }

    /// Returns when all of it is on the disk.
    pub(in crate::transfer) fn finish(mut self) -> Result<u64, Failure> {
        let failed = |source| Failure::Agent { what: "write the disk", source };
        self.flush().map_err(failed)?;
        fdatasync(&self.file).map_err(|errno| failed(errno.into()))?;
        Ok(self.position)
    }
}

impl Write for Disk<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.len() as u64 > self.size - self.position {
            self.is_full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.pending.len() + data.len() > WRITE_BYTES {
            self.flush()?;
        }
        if data.len() > WRITE_BYTES {
            self.file.write_all(data)?;
        } else {
            self.pending.extend_from_slice(data);
        }
        self.position += data.len() as u64;
        self.progress.add(data.len());
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

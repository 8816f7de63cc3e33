//! One file as it is, known by its digest. Its holes are not read, which makes large ones cheap.

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use kiln_context::Identity;
use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};
use sha2::{Digest, Sha256};

use crate::digest::digest;

const CHUNK: usize = 64 << 10;
static ZEROS: [u8; CHUNK] = [0; CHUNK];

#[derive(Debug)]
pub(crate) struct WholeFile {
    path: PathBuf,
    file: File,
    state: State,
    identity: Option<Identity>,
}

/// What a file has that something writes to, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum WholeFileError {
    #[error("cannot open {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{} is no file", path.display())]
    NoFile { path: PathBuf },
    #[error("{} is empty", path.display())]
    Empty { path: PathBuf },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} changes while it is read: is something writing to it?", path.display())]
    Changed { path: PathBuf },
    #[error("cannot pass it on")]
    Write(#[source] io::Error),
}

impl WholeFile {
    pub(crate) fn open(path: &Path) -> Result<Self, WholeFileError> {
        let wrong = |source| WholeFileError::Open { path: path.to_owned(), source };
        // A fifo would be waited for.
        if !path.metadata().map_err(wrong)?.is_file() {
            return Err(WholeFileError::NoFile { path: path.to_owned() });
        }
        let file = File::open(path).map_err(wrong)?;
        let state = State::of(&file).map_err(wrong)?;
        if state.size == 0 {
            return Err(WholeFileError::Empty { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), file, state, identity: None })
    }

    pub(super) fn identify(&mut self) -> Result<Identity, WholeFileError> {
        if let Some(identity) = &self.identity {
            return Ok(identity.clone());
        }
        let mut hash = Sha256::new();
        let mut take = |chunk: &[u8]| {
            hash.update(chunk);
            Ok(())
        };
        self.read_from(0, &mut take)?;
        let identity = Identity { digest: digest(hash), size: self.state.size };
        self.identity = Some(identity.clone());
        Ok(identity)
    }

    pub(super) fn write_from(
        &self,
        offset: u64,
        take: &mut dyn FnMut(Bytes) -> io::Result<()>,
    ) -> Result<(), WholeFileError> {
        self.read_from(offset, &mut |chunk| take(Bytes::copy_from_slice(chunk)))
    }

    /// Forgets what was known of it.
    pub(super) fn renew(&mut self) -> Result<(), WholeFileError> {
        *self = Self::open(&self.path)?;
        Ok(())
    }

    fn read_from(
        &self,
        offset: u64,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), WholeFileError> {
        let mut buffer = vec![0; CHUNK];
        let mut at = offset;
        while at < self.state.size {
            let data = self.next_data(at)?;
            while at < data {
                let part = &ZEROS[..part(data - at)];
                take(part).map_err(WholeFileError::Write)?;
                at += part.len() as u64;
            }
            let hole = if at < self.state.size { self.next_hole(at)? } else { at };
            while at < hole {
                let part = &mut buffer[..part(hole - at)];
                self.file.read_exact_at(part, at).map_err(|source| self.unread(source))?;
                take(part).map_err(WholeFileError::Write)?;
                at += part.len() as u64;
            }
        }
        let now = State::of(&self.file).map_err(|source| self.unread(source))?;
        if now == self.state {
            Ok(())
        } else {
            Err(WholeFileError::Changed { path: self.path.clone() })
        }
    }

    /// Where data begins, at `at` or behind it.
    fn next_data(&self, at: u64) -> Result<u64, WholeFileError> {
        match seek(&self.file, SeekFrom::Data(at)) {
            Ok(data) => Ok(data.min(self.state.size)),
            // A hole to the end.
            Err(Errno::NXIO) => Ok(self.state.size),
            // The file system does not tell.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(at),
            Err(error) => Err(self.unread(error.into())),
        }
    }

    fn next_hole(&self, at: u64) -> Result<u64, WholeFileError> {
        match seek(&self.file, SeekFrom::Hole(at)) {
            Ok(hole) => Ok(hole.min(self.state.size)),
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NXIO) => Ok(self.state.size),
            Err(error) => Err(self.unread(error.into())),
        }
    }

    fn unread(&self, source: io::Error) -> WholeFileError {
        let path = self.path.clone();
        if source.kind() == ErrorKind::UnexpectedEof {
            WholeFileError::Changed { path }
        } else {
            WholeFileError::Read { path, source }
        }
    }
}

/// Of so many bytes.
fn part(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK)
}

impl State {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn bytes(file: &WholeFile, offset: u64) -> Vec<u8> {
        let mut all = Vec::new();
        let mut take = |chunk: Bytes| {
            all.extend_from_slice(&chunk);
            Ok(())
        };
        file.write_from(offset, &mut take).unwrap();
        all
    }

    #[test]
    fn holes_are_zeros_from_any_offset() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = file.reopen().unwrap();
        open.set_len(3 << 20).unwrap();
        open.write_all_at(b"middle", (1 << 20) + 5).unwrap();
        let expected = fs::read(file.path()).unwrap();
        let mut whole = WholeFile::open(file.path()).unwrap();
        let mut hash = Sha256::new();
        hash.update(&expected);
        let identity = Identity { digest: digest(hash), size: 3 << 20 };
        assert_eq!(whole.identify().unwrap(), identity);
        for offset in [0, 1, 1 << 20, (1 << 20) + 7, 3 << 20] {
            let start = usize::try_from(offset).unwrap();
            assert!(bytes(&whole, offset) == expected[start..], "{offset}");
        }
    }

    #[test]
    fn what_changes_is_told_and_can_be_read_anew() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "one").unwrap();
        let mut whole = WholeFile::open(file.path()).unwrap();
        let before = whole.identify().unwrap();
        fs::write(file.path(), "three").unwrap();
        let error = whole.write_from(0, &mut |_| Ok(())).unwrap_err();
        assert!(matches!(error, WholeFileError::Changed { .. }), "{error}");
        whole.renew().unwrap();
        assert_ne!(whole.identify().unwrap(), before);
        assert_eq!(bytes(&whole, 0), b"three");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty");
        fs::write(&empty, "").unwrap();
        for (path, words) in [
            (directory.path().to_owned(), "is no file"),
            (directory.path().join("none"), "cannot open"),
            (empty, "is empty"),
        ] {
            let told = WholeFile::open(&path).unwrap_err().to_string();
            assert!(told.contains(words), "{told}");
        }
    }
}

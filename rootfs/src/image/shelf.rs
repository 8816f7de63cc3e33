//! Where an image's files lie: a directory, or a tar in a file or on a block device.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    os::unix::fs::{FileExt as _, FileTypeExt as _},
    path::Path,
    sync::Arc,
};

use rustix::{
    fd::OwnedFd,
    fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2},
    io::Errno,
};

use super::{Extent, OpenError, archive::Archive};
use kiln_digest::Digest;

/// Of the tar's blocks, that say that it is one.
const MAGIC: (u64, &[u8; 5]) = (257, b"ustar");

#[derive(Debug)]
pub(super) enum Shelf {
    Directory(OwnedFd),
    Archive(Archive),
}

impl Shelf {
    /// `path` is the caller's own word, links in it are followed.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        // A pipe would wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(CWD, path, flags, Mode::empty());
        let file = File::from(file.map_err(|error| OpenError::Io(error.into()))?);
        let metadata = file.metadata().map_err(OpenError::Io)?;
        if metadata.is_dir() {
            return Ok(Self::Directory(file.into()));
        }
        let size = match metadata.file_type() {
            kind if kind.is_file() => metadata.len(),
            kind if kind.is_block_device() => end(&file).map_err(OpenError::Io)?,
            _ => return Err(OpenError::NotAnImage),
        };
        let mut magic = [0; MAGIC.1.len()];
        if size > MAGIC.0 + magic.len() as u64 {
            file.read_exact_at(&mut magic, MAGIC.0).map_err(OpenError::Io)?;
        }
        if &magic != MAGIC.1 {
            return Err(OpenError::NotAnImage);
        }
        Archive::read(Extent { file: Arc::new(file), offset: 0, size }).map(Self::Archive)
    }

    /// A file by its name, which no link leads out of the image from.
    pub(super) fn find(&self, name: &str) -> Result<Option<Extent>, OpenError> {
        match self {
            Self::Archive(archive) => Ok(archive.find(name)),
            Self::Directory(directory) => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
                let file = match openat2(directory, name, flags, Mode::empty(), resolve) {
                    Ok(file) => File::from(file),
                    Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
                    Err(error) => return Err(OpenError::Io(error.into())),
                };
                let metadata = file.metadata().map_err(OpenError::Io)?;
                if !metadata.is_file() {
                    return Ok(None);
                }
                Ok(Some(Extent { file: Arc::new(file), offset: 0, size: metadata.len() }))
            }
        }
    }

    /// A file that has to be there, whole and not longer than a limit.
    pub(super) fn bytes(&self, name: &str, what: &str, limit: u64) -> Result<Vec<u8>, OpenError> {
        let missing = || OpenError::Missing { what: what.to_owned() };
        let extent = self.find(name)?.ok_or_else(missing)?;
        if extent.size > limit {
            return Err(OpenError::TooLong { what: what.to_owned(), size: extent.size, limit });
        }
        extent.bytes().map_err(OpenError::Io)
    }

    /// Content by its digest, of the size that was told; not hashed yet.
    pub(super) fn blob(&self, digest: Digest, size: u64, what: &str) -> Result<Extent, OpenError> {
        let name = format!("blobs/sha256/{}", digest.hex());
        let missing = || OpenError::Missing { what: format!("{what} ({digest})") };
        let extent = self.find(&name)?.ok_or_else(missing)?;
        if extent.size != size {
            let what = format!("{what} ({digest})");
            return Err(OpenError::SizeMismatch { what, size: extent.size, expected: size });
        }
        Ok(extent)
    }
}

/// Of a block device, whose metadata has no size. Behind a tar that is shorter there are zeros, which are
/// a tar's own end.
fn end(mut device: &File) -> io::Result<u64> {
    device.seek(SeekFrom::End(0))
}

//! The directories: where a blob's file stands, and how one gets there to stay.
//!
//! ```text
//!   registry.db            the rows
//!   blobs/sha256/ab/HEX    whole and verified
//!   uploads/ID, ID.json    what was sent of an upload, and where it belongs
//!   batches/ID-N           what is coming of an image that comes at once
//!   partial/HEX-SOURCE     what was brought of a blob of a registry outside, by that registry
//! ```

use std::{
    fs::{self, File, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::StoreError;
use crate::digest::Digest;

const PRIVATE: u32 = 0o700;

#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
}

/// What changes when a file's content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) inode: i64,
    pub(super) changed: i64,
}

impl Files {
    pub(super) fn open(root: &Path) -> Result<Self, StoreError> {
        let files = Self { root: root.to_owned() };
        let blobs = files.blobs();
        let (uploads, partial, batches) = (files.uploads(), files.partial(), files.batches());
        for directory in [root, &uploads, &partial, &batches, &root.join("blobs"), &blobs] {
            make(directory)?;
        }
        for first in 0..=u8::MAX {
            make(&blobs.join(format!("{first:02x}")))?;
        }
        for directory in [&blobs, &root.join("blobs"), root] {
            sync_directory(directory)?;
        }
        Ok(files)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.root.join("registry.db")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub(super) fn partial(&self) -> PathBuf {
        self.root.join("partial")
    }

    pub(super) fn batches(&self) -> PathBuf {
        self.root.join("batches")
    }

    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.blobs().join(&hex[..2]).join(hex)
    }

    /// Brings a durable file to where the blob's stands, for good. Under the digest's lock.
    pub(super) fn place(&self, from: &Path, digest: &Digest) -> Result<Mark, StoreError> {
        let path = self.blob(digest);
        let failed = |error| StoreError::io(&path, error);
        fs::rename(from, &path).map_err(failed)?;
        if let Some(directory) = path.parent() {
            sync_directory(directory)?;
        }
        Ok(mark(&fs::metadata(&path).map_err(failed)?))
    }
}

pub(super) fn mark(metadata: &fs::Metadata) -> Mark {
    let seconds = metadata.ctime().saturating_mul(1_000_000_000);
    Mark {
        inode: metadata.ino().cast_signed(),
        changed: seconds.saturating_add(metadata.ctime_nsec()),
    }
}

/// No error where there is none.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io(path, error)),
        _ => Ok(()),
    }
}

fn make(directory: &Path) -> Result<(), StoreError> {
    if directory.is_dir() {
        return Ok(());
    }
    let made = fs::create_dir(directory)
        .and_then(|()| fs::set_permissions(directory, Permissions::from_mode(PRIVATE)));
    made.map_err(|error| StoreError::io(directory, error))
}

fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    let sync = || -> io::Result<()> { File::open(directory)?.sync_all() };
    sync().map_err(|error| StoreError::io(directory, error))
}

//! What can be wrong with what the store is asked for, or with the store.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{ErrorCode, ffi};

use crate::digest::Digest;

/// Cheap to clone: one failed commit answers everyone who was in it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("an upload goes on at byte {offset}: send from there")]
    OutOfOrder { offset: u64 },
    #[error("there is no such upload: begin another")]
    NoUpload,
    #[error("the content is {found}, not {expected}: send it again")]
    OtherDigest { expected: Digest, found: Digest },
    #[error("the content is longer than the {expected} bytes it was said to have")]
    TooLong { expected: u64 },
    #[error("not in this repository: {}; push that first", list(.0))]
    Missing(Vec<Digest>),
    #[error(
        "the images of tenant {tenant} may take {limit} bytes and would take {wanted}: remove some \
         and prune"
    )]
    Quota { tenant: String, limit: u64, wanted: u64 },
    #[error(
        "the room for what registries outside have is full: it may take {limit} bytes and would \
         take {wanted}"
    )]
    MirrorsFull { limit: u64, wanted: u64 },
    #[error("the content broke off")]
    Stream(#[source] Arc<io::Error>),
    #[error("the disk of the image store is full: free space on it")]
    DiskFull,
    #[error("{path} is in use by another kilnd")]
    InUse { path: PathBuf },
    #[error(
        "{path} was written by a newer kilnd (version {theirs}; this one knows {ours}): start that \
         one, or move it away"
    )]
    Newer { path: PathBuf, theirs: i64, ours: i64 },
    #[error("{path} is a database, and none of the image store's: move it away")]
    Foreign { path: PathBuf },
    #[error("the file system of {path} cannot hold a write-ahead log: give kilnd another --home")]
    NoLog { path: PathBuf },
    #[error("the database of the image store is damaged: move the store away to begin anew")]
    Damaged(#[source] Arc<rusqlite::Error>),
    #[error("the database of the image store could not be used")]
    Database(#[source] Arc<rusqlite::Error>),
    #[error("{path} could not be used")]
    Io { path: PathBuf, source: Arc<io::Error> },
    #[error("the image store is closed: kilnd is going down")]
    Closed,
}

impl StoreError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        if full.contains(&source.kind()) {
            return Self::DiskFull;
        }
        Self::Io { path: path.to_owned(), source: Arc::new(source) }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        let extended = source.sqlite_error().map(|error| error.extended_code);
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            // What a full disk answers to a growth of the index beside the log.
            _ if extended == Some(ffi::SQLITE_IOERR_SHMSIZE) => Self::DiskFull,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(Arc::new(source))
            }
            _ => Self::Database(Arc::new(source)),
        }
    }
}

/// A few of them: an answer is read by a person.
fn list(digests: &[Digest]) -> String {
    const MOST: usize = 4;
    let shown: Vec<_> = digests.iter().take(MOST).map(ToString::to_string).collect();
    let more = digests.len().saturating_sub(MOST);
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

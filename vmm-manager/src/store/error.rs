//! What can be wrong with the store.

use std::{io, path::PathBuf, sync::Arc};

use rusqlite::{ErrorCode, ffi};

/// Cheap to clone: one failed commit answers everyone who was in it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{path} was written by a newer kilnd (version {theirs}; this one knows {ours}): start that \
         one, or give this one another --home"
    )]
    Newer { path: PathBuf, theirs: i64, ours: i64 },
    #[error("{path} is a database, and none of kilnd's: give kilnd another --home")]
    Foreign { path: PathBuf },
    #[error("the file system of {path} cannot hold a write-ahead log: give kilnd another --home")]
    NoLog { path: PathBuf },
    #[error("{path} is damaged: restore it, or move it away to begin without its jobs")]
    Damaged { path: PathBuf, source: Arc<rusqlite::Error> },
    #[error("the record of job {id} in {path} is damaged: {reason}")]
    Record { path: PathBuf, id: String, reason: String },
    #[error("the disk of {path} is full: free space on it")]
    DiskFull { path: PathBuf, source: Arc<rusqlite::Error> },
    #[error("{path} could not be used")]
    Database { path: PathBuf, source: Arc<rusqlite::Error> },
    #[error("{path} could not be used")]
    Io { path: PathBuf, source: Arc<io::Error> },
    #[error("the store is closed: kilnd is going down")]
    Closed,
}

impl StoreError {
    pub(super) fn database(path: &std::path::Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let code = source.sqlite_error_code();
        // A disk that is full answers to a write, and to a growth of the index beside the log.
        let full = code == Some(ErrorCode::DiskFull)
            || extended(&source) == Some(ffi::SQLITE_IOERR_SHMSIZE);
        let source = Arc::new(source);
        match code {
            _ if full => Self::DiskFull { path, source },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, source }
            }
            _ => Self::Database { path, source },
        }
    }

    pub(super) fn io(path: &std::path::Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source: Arc::new(source) }
    }
}

/// Whether a COMMIT that failed with this error has certainly not reached the disk.
///
/// A commit is frames at the end of the write-ahead log, of which the last one counts; then a sync;
/// then the log's index is brought up to date. A write that failed was of that last frame or of one
/// before it, so a log with that frame cannot exist. Anything later leaves a log that a restart
/// would take for committed, until the next commit has written over it.
pub(super) fn certainly_not_committed(error: &rusqlite::Error) -> bool {
    matches!(
        extended(error),
        Some(ffi::SQLITE_FULL | ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_BUSY | ffi::SQLITE_READONLY)
    )
}

fn extended(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: i32, certain: bool, full: bool) {
        let error = || rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        assert_eq!(certainly_not_committed(&error()), certain, "{code}");
        let told = StoreError::database(std::path::Path::new("kiln.db"), error());
        assert_eq!(matches!(told, StoreError::DiskFull { .. }), full, "{told:?}");
    }

    #[test]
    fn a_commit_is_in_doubt_behind_its_last_write() {
        check(ffi::SQLITE_FULL, true, true);
        check(ffi::SQLITE_IOERR_WRITE, true, false);
        check(ffi::SQLITE_BUSY, true, false);
        check(ffi::SQLITE_IOERR_FSYNC, false, false);
        check(ffi::SQLITE_IOERR_SHMSIZE, false, true);
        check(ffi::SQLITE_IOERR_SHMMAP, false, false);
        check(ffi::SQLITE_NOMEM, false, false);
    }
}

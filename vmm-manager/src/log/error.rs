//! What can go wrong with a log.

use std::{io, path::PathBuf};

use tokio::task::JoinError;

/// What one stream wrote could not be stored. The log is as it was, and can be appended to again.
#[derive(Debug, thiserror::Error)]
#[error("the job's log cannot be written at offset {offset}")]
pub struct AppendError {
    /// Where the log ends.
    pub offset: u64,
    pub source: io::Error,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What was on the disk for good is not there any more, or was never ours.
    #[error("the log in {directory} is damaged: {what}")]
    Damaged { directory: PathBuf, what: &'static str },
    #[error("the log's {path} cannot be used")]
    Io { path: PathBuf, source: io::Error },
    #[error("the log could not be looked at")]
    Stopped(#[from] JoinError),
}

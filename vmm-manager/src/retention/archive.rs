//! Where ended jobs are kept, as narrow as retention needs it.

use std::{collections::BTreeSet, error::Error};

use async_trait::async_trait;

use super::EndedJob;
use crate::job::JobId;

#[derive(Debug, thiserror::Error)]
#[error("{what} failed")]
pub struct ArchiveError {
    pub what: &'static str,
    pub source: Box<dyn Error + Send + Sync>,
}

#[async_trait]
pub trait Archive: Send + Sync {
    /// Every job that has ended and has given back what it took.
    async fn ended(&self) -> Result<Vec<EndedJob>, ArchiveError>;
    /// Every job that left a directory here. Nothing is known of whose they are.
    async fn directories(&self) -> Result<BTreeSet<JobId>, ArchiveError>;
    async fn has_record(&self, job: &JobId) -> Result<bool, ArchiveError>;
    /// Whether the files of outputs that the record promises are there.
    async fn has_outputs(&self, job: &JobId) -> Result<bool, ArchiveError>;
    /// Somebody reads its log or an output just now.
    fn is_read(&self, job: &JobId) -> bool;

    /// Writes down that the outputs have expired: it lasts when this returns.
    async fn expire(&self, job: &JobId) -> Result<(), ArchiveError>;
    async fn remove_outputs(&self, job: &JobId) -> Result<(), ArchiveError>;
    /// Removes the record: that lasts when this returns.
    async fn forget(&self, job: &JobId) -> Result<(), ArchiveError>;
    async fn remove_directory(&self, job: &JobId) -> Result<(), ArchiveError>;
}

//! Why a source stays: somebody will use it.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Source, registry::Shared};
use crate::job::{Job, SourceId};

/// A job names a source that is not there, or is another tenant's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no source {id}; upload it, and name it within an hour")]
pub struct MissingSource {
    /// Which of the job's sources.
    pub input: usize,
    pub id: SourceId,
}

/// All sources of one job, in the order of [`crate::job::JobSpec::sources`].
#[derive(Debug)]
pub struct SourceHolds(pub(super) Vec<SourceHold>);

impl SourceHolds {
    /// In that order.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.0.iter().map(SourceHold::source)
    }

    /// Lets go when the job has ended. The daemon does so at its start for each job that has not,
    /// the API for each new one. Must be called within a runtime.
    pub fn until_ended(self, mut job: watch::Receiver<Job>) {
        if self.0.is_empty() {
            return;
        }
        tokio::spawn(async move {
            // Ends too when nobody is left who could end the job: the daemon is going.
            let _ = job.wait_for(Job::has_ended).await;
            drop(self);
        });
    }
}

/// Keeps a source for as long as it lives. In memory: whoever starts the daemon takes it anew for
/// each job that has not ended.
#[derive(Debug)]
pub struct SourceHold {
    source: Source,
    shared: Arc<Shared>,
}

impl SourceHold {
    /// The registry has counted it.
    pub(super) fn new(source: Source, shared: Arc<Shared>) -> Self {
        Self { source, shared }
    }

    pub fn source(&self) -> &Source {
        &self.source
    }
}

impl Drop for SourceHold {
    fn drop(&mut self) {
        self.shared.let_go(&self.source.id);
    }
}

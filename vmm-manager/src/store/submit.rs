//! What comes of a request for a new job.

use std::{io, sync::Arc};

use super::{JobHandle, StoreError};
use crate::job::JobId;

#[derive(Clone, Debug)]
pub enum Submitted {
    New(Arc<JobHandle>),
    /// There was one already under the same key, with the same request.
    Known(Arc<JobHandle>),
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("the idempotency key {key:?} belongs to job {job}, which asks for something else")]
    KeyReused { key: String, job: JobId },
    /// There is no such job.
    #[error("the job could not be written down, so it was not taken")]
    Write(#[source] StoreError),
    /// The disk failed between the write and its confirmation.
    #[error(
        "whether job {id} was written down will show when kilnd is started again: submit it again \
         under the same idempotency key, or look for it"
    )]
    InDoubt { id: JobId, source: StoreError },
    #[error("the host gave no randomness for the guest's secret")]
    Randomness { source: Arc<io::Error> },
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum ForgetError {
    #[error("job {id} has not ended, or still holds something of the host")]
    Alive { id: JobId },
    #[error("job {id} still leases something of the host")]
    Leased { id: JobId },
    #[error("the job could not be forgotten")]
    Write(#[source] StoreError),
}

impl Submitted {
    pub fn handle(&self) -> &Arc<JobHandle> {
        match self {
            Self::New(handle) | Self::Known(handle) => handle,
        }
    }
}

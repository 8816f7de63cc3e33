//! The registry as one machine has it: the job's tenant, its policy, and a ledger of its own.

use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use kiln_registry::{
    caller::Caller,
    registry::{Registry, Via},
};
use tokio::net::UnixStream;

use super::{JobLedger, Service, reach};
use crate::{build::publish, network::GuestRegistry, store::JobHandle};

/// For as long as the machine lives.
#[derive(Debug)]
pub(crate) struct JobRegistry {
    ledger: Arc<JobLedger>,
    streams: Arc<OfJob>,
}

struct OfJob {
    registry: Registry,
    caller: Caller,
}

impl Service {
    /// For a machine that is being made in `directory`. Within a runtime.
    pub(crate) fn of(&self, job: &JobHandle, directory: &Path) -> JobRegistry {
        self.with(job, JobLedger::begin(directory))
    }

    /// For one that an earlier kilnd started.
    pub(crate) async fn again(&self, job: &JobHandle, directory: &Path) -> JobRegistry {
        self.with(job, JobLedger::again(directory).await)
    }

    fn with(&self, job: &JobHandle, ledger: JobLedger) -> JobRegistry {
        let caller = Caller {
            tenant: job.owner().tenant.clone(),
            job: Some(job.id().to_string()),
            outside: reach::of_policy(&job.spec().egress, &job.owner().tenant, &self.operator),
            writes: publish::writes(job.id(), job.spec()),
            ledger: ledger.told(),
        };
        let streams = OfJob { registry: self.registry().clone(), caller };
        JobRegistry { ledger: Arc::new(ledger), streams: Arc::new(streams) }
    }
}

impl JobRegistry {
    /// What was served through it so far.
    pub(crate) fn ledger(&self) -> &Arc<JobLedger> {
        &self.ledger
    }

    /// For its gateway's connections.
    pub(crate) fn streams(&self) -> Arc<dyn GuestRegistry> {
        Arc::clone(&self.streams) as Arc<dyn GuestRegistry>
    }
}

#[async_trait]
impl GuestRegistry for OfJob {
    async fn serve(&self, stream: UnixStream) {
        self.registry.serve(stream, self.caller.clone(), Via::Guest).await;
    }
}

impl fmt::Debug for OfJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfJob").field("caller", &self.caller).finish_non_exhaustive()
    }
}

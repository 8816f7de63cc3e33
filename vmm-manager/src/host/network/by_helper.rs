//! The helper as the one who makes networks.

use std::os::fd::OwnedFd;

use async_trait::async_trait;
use kiln_helper::{Answer, Request};
use kiln_net::{
    plan::{Admission, Lease, Plan},
    seen::Seen,
};
use kiln_shim::ProcessIdentity;
use tokio::task::spawn_blocking;

use super::{NetworkError, NetworkKernel};
use crate::host::helper::{Helper, HelperError, helper};

/// There is a helper, and it has made what all networks share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByHelper(&'static Helper);

impl ByHelper {
    /// `None` without a helper. Before the first network; blocks.
    pub(crate) fn prepare() -> Result<Option<Self>, NetworkError> {
        let Some(helper) = helper() else { return Ok(None) };
        match helper.ask(&Request::PrepareNetwork {})? {
            Answer::Done {} => Ok(Some(Self(helper))),
            Answer::NoNetwork { reason } => Err(NetworkError::Unavailable { reason }),
            other => Err(HelperError::answer(&other).into()),
        }
    }

    async fn ask(self, request: Request) -> Result<(Answer, Vec<OwnedFd>), NetworkError> {
        let asked = spawn_blocking(move || self.0.ask_with(&request, &[])).await;
        let failed = |error: tokio::task::JoinError| NetworkError::Failed {
            what: "a question to the helper".to_owned(),
            source: error.into(),
        };
        Ok(asked.map_err(failed)??)
    }

    async fn done(self, request: Request) -> Result<(), NetworkError> {
        match self.ask(request).await? {
            (Answer::Done {}, _) => Ok(()),
            (other, _) => Err(unexpected(&other)),
        }
    }
}

#[async_trait]
impl NetworkKernel for ByHelper {
    async fn make(&self, job: &str, plan: Plan) -> Result<(Lease, OwnedFd), NetworkError> {
        let request = Request::MakeNetwork { job: job.to_owned(), plan };
        let (answer, descriptors) = self.ask(request).await?;
        match (answer, <[OwnedFd; 1]>::try_from(descriptors)) {
            (Answer::Network { lease }, Ok([tap])) => Ok((lease, tap)),
            (other, _) => Err(unexpected(&other)),
        }
    }

    async fn take(
        &self,
        job: &str,
        gateway: ProcessIdentity,
        plan: Plan,
    ) -> Result<Lease, NetworkError> {
        let request = Request::TakeNetwork { job: job.to_owned(), gateway, plan };
        match self.ask(request).await? {
            (Answer::Network { lease }, _) => Ok(lease),
            (other, _) => Err(unexpected(&other)),
        }
    }

    async fn admit(&self, job: &str, admissions: Vec<Admission>) -> Result<(), NetworkError> {
        self.done(Request::Admit { job: job.to_owned(), admissions }).await
    }

    async fn read(&self, job: &str) -> Result<Seen, NetworkError> {
        match self.ask(Request::ReadNetwork { job: job.to_owned() }).await? {
            (Answer::NetworkSeen { seen }, _) => Ok(*seen),
            (other, _) => Err(unexpected(&other)),
        }
    }

    async fn release(&self, job: &str) -> Result<(), NetworkError> {
        self.done(Request::ReleaseNetwork { job: job.to_owned() }).await
    }

    async fn sweep(&self, keep: Vec<String>) -> Result<(), NetworkError> {
        self.done(Request::SweepNetworks { keep }).await
    }

    async fn release_host(&self) -> Result<bool, NetworkError> {
        match self.ask(Request::ReleaseHostNetwork {}).await? {
            (Answer::Done {}, _) => Ok(true),
            (Answer::Busy { .. }, _) => Ok(false),
            (other, _) => Err(unexpected(&other)),
        }
    }

    async fn troubles(&self) -> Result<Vec<String>, NetworkError> {
        match self.ask(Request::NetworkTroubles {}).await? {
            (Answer::NetworkTroubles { troubles }, _) => Ok(troubles),
            (other, _) => Err(unexpected(&other)),
        }
    }
}

fn unexpected(answer: &Answer) -> NetworkError {
    match answer {
        Answer::NoAddress { reason } => NetworkError::NoAddress { reason: reason.clone() },
        Answer::NoNetwork { reason } => NetworkError::Unavailable { reason: reason.clone() },
        other => HelperError::answer(other).into(),
    }
}

//! The networks of machines, as the kernel has them. To make and to change one takes root: all of it
//! is asked of the helper, and who has none has no networks.

mod by_helper;
mod error;

use std::os::fd::OwnedFd;

use async_trait::async_trait;
use kiln_net::{
    plan::{Admission, Lease, Plan},
    seen::Seen,
};
use kiln_shim::ProcessIdentity;

pub(crate) use self::by_helper::ByHelper;
pub(crate) use self::error::NetworkError;

/// Networks are named by their job. Each call takes as long as some system calls and, at most, a run
/// of `nft`.
#[async_trait]
pub(crate) trait NetworkKernel: std::fmt::Debug + Send + Sync {
    /// A network of its own, as shut as the plan says, with the guest's end of it.
    ///
    /// # Cancel safety
    /// It is made all the same: to be awaited, and then given back.
    async fn make(&self, job: &str, plan: Plan) -> Result<(Lease, OwnedFd), NetworkError>;

    /// One that an earlier daemon made, in which `gateway` is.
    async fn take(
        &self,
        job: &str,
        gateway: ProcessIdentity,
        plan: Plan,
    ) -> Result<Lease, NetworkError>;

    /// Opens some more, for some time.
    async fn admit(&self, job: &str, admissions: Vec<Admission>) -> Result<(), NetworkError>;

    /// What it has seen so far.
    async fn read(&self, job: &str) -> Result<Seen, NetworkError>;

    /// Nothing of it is left; and if there was none, neither.
    async fn release(&self, job: &str) -> Result<(), NetworkError>;

    /// Removes every network of this home but those of `keep`.
    async fn sweep(&self, keep: Vec<String>) -> Result<(), NetworkError>;

    /// What all networks of this home share, once there is none any more; false while there is.
    async fn release_host(&self) -> Result<bool, NetworkError>;

    /// What stands in the way of networks on this host, in words for its operator.
    async fn troubles(&self) -> Result<Vec<String>, NetworkError>;
}

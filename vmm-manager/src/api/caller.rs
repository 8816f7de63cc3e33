//! Who calls.

use tonic::{Request, Status, transport::server::UdsConnectInfo};

/// Whoever may open the local socket is the local operator.
pub(crate) const LOCAL_TENANT: &str = "local";

/// The tenant in whose name a call acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub tenant: String,
}

impl Caller {
    /// The socket's peer, by the kernel's word; a call without one is nobody's.
    pub(super) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let peer = request.extensions().get::<UdsConnectInfo>().and_then(|info| info.peer_cred);
        if peer.is_none() {
            return Err(Status::unauthenticated("the call's peer is unknown"));
        }
        Ok(Self { tenant: LOCAL_TENANT.to_owned() })
    }
}

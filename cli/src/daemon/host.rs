//! What kilnd says of its host.

use kiln_proto::v1;

use super::{Daemon, DaemonError};
use crate::record::Host;

impl Daemon {
    pub(crate) async fn host(&self) -> Result<Host, DaemonError> {
        let call = async || {
            let request = v1::GetHostRequest {};
            self.answer(self.hosts.clone().get_host(request)).await
        };
        self.persist(call).await.map(Host::from)
    }
}

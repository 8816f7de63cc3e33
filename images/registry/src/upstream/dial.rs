//! Connections: the address that the guard admitted is the one that is dialled.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::rustls::pki_types::ServerName;

use super::{failure::Failure, guard::Guard, resolve::Resolve, route::Route, tls::Tls};

/// Of one name, tried one after another.
const MAX_ADDRESSES: usize = 8;

pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

pub(super) struct Dialer {
    pub resolve: Arc<dyn Resolve>,
    pub guard: Guard,
    pub tls: Tls,
    /// For names, and for each address.
    pub connect: Duration,
}

impl Dialer {
    pub(super) async fn dial(&self, route: &Route) -> Result<Box<dyn Wire>, Failure> {
        let site = &route.site;
        let (name, port) = match &route.address {
            Some(address) => (address.name(), address.port().unwrap_or(site.port)),
            None => (site.name.as_str(), site.port),
        };
        let addresses = self.admitted(route, name).await?;
        let mut last = unreachable(format!("{name} has no address"));
        for address in addresses {
            match self.connect(route, SocketAddr::new(address, port)).await {
                Ok(wire) => return Ok(wire),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    async fn admitted(&self, route: &Route, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let found = match literal(name) {
            Some(address) => vec![address],
            None => {
                let resolving = timeout(self.connect, self.resolve.resolve(name));
                match resolving.await {
                    Ok(Ok(found)) => found,
                    Ok(Err(error)) => {
                        return Err(unreachable(format!("{name} has no address: {error}")));
                    }
                    Err(_) => {
                        return Err(unreachable(format!(
                            "no resolver tells the address of {name}"
                        )));
                    }
                }
            }
        };
        let mut refused = None;
        let mut admitted = Vec::new();
        for address in found {
            match self.guard.admits(address, route.reach) {
                Ok(()) => admitted.push(address),
                Err(reason) => refused = Some(reason),
            }
        }
        admitted.truncate(MAX_ADDRESSES);
        match (admitted.is_empty(), refused) {
            (true, Some(reason)) => Err(Failure::Guarded { to: route.site.to_string(), reason }),
            _ => Ok(admitted),
        }
    }

    async fn connect(&self, route: &Route, to: SocketAddr) -> Result<Box<dyn Wire>, Failure> {
        let connecting = async {
            let stream = TcpStream::connect(to).await.map_err(|error| lost(&error))?;
            // Without it requests wait for acknowledgements; nothing else is lost.
            drop(stream.set_nodelay(true));
            if !route.site.https {
                return Ok::<Box<dyn Wire>, Failure>(Box::new(stream));
            }
            let connector = self.tls.connector(route.ca.as_deref()).await.map_err(|reason| {
                tracing::warn!(registry = %route.site, reason, "its certificate can't be verified");
                let told =
                    "there is nothing to verify its certificate by: the host's log tells why";
                unreachable(told.to_owned())
            })?;
            let name = route.site.name.trim_matches(['[', ']']).to_owned();
            let name =
                ServerName::try_from(name).map_err(|error| unreachable(error.to_string()))?;
            let stream = connector.connect(name, stream).await.map_err(|error| lost(&error))?;
            Ok(Box::new(stream))
        };
        match timeout(self.connect, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(unreachable(format!(
                "no connection within {} s",
                self.connect.as_secs_f32().ceil()
            ))),
        }
    }
}

fn literal(name: &str) -> Option<IpAddr> {
    name.trim_matches(['[', ']']).parse().ok()
}

pub(super) fn unreachable(reason: String) -> Failure {
    Failure::Unreachable { reason }
}

pub(super) fn lost(error: &io::Error) -> Failure {
    unreachable(error.to_string())
}

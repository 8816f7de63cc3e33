//! The host's registry, made known to jobs and to docker's engine.
//!
//! A job finds it as `registry.kiln:5000`, plain HTTP at the gateway, and needs nothing else for it.
//! Docker's engine has no setting that sends all that it pulls to a mirror; what it has is a proxy. So
//! the agent holds one, for the engine alone:
//!
//! ```text
//! engine ─CONNECT host:443─▶ 200 ─▶ its ClientHello ─┬─ no ALPN: a client of registries ─▶ TLS ends here
//!                                                    │     ─▶ each request, with `ns=host`, to the gateway
//!                                                    └─ ALPN: something else (`ADD https://…`)
//!                                                          ─▶ dialled as any program of the guest's would
//! ```
//!
//! The certificates that this takes are those of an authority that was born with this boot, whose key
//! never leaves the agent's memory. Its certificate lies in a file that only an engine that was started
//! with [`settings`]'s environment reads: no other process of the guest, and no build step, trusts it
//! or sees the proxy.
//!
//! Nothing here guards anything: whoever is in the guest can say all of it to the gateway himself.
//! What is read is bounded, since whoever sends it may be hostile to the guest's other processes.

mod authority;
mod chunks;
mod connect;
mod dial;
mod forward;
mod hello;
mod names;
mod request;
mod rewound;
mod server;
mod settings;

use std::{io, net::SocketAddr, path::Path, sync::Arc};

pub(crate) use self::authority::AuthorityError;
use self::{authority::Authority, server::Server};
use crate::network::Network;

/// Tells a job where the registry is.
pub(crate) const VARIABLE: &str = "KILN_REGISTRY";
const MAX_NAME_BYTES: usize = 253;
/// For the guest's own programs; its loopback has no other.
const PROXY: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), PROXY_PORT);
const PROXY_PORT: u16 = 3129;

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registry {
    /// As jobs write it: a host and a port.
    pub(crate) name: String,
    /// Without the port.
    host: String,
    gateway: SocketAddr,
    network: Network,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network's registry is no host with a port")]
pub(crate) struct InvalidRegistry;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("{path} cannot be written")]
    Write { path: String, source: io::Error },
    #[error("docker's engine can't be listened to at {PROXY}")]
    Listen(#[source] io::Error),
}

impl Registry {
    /// `name`, as the host has it; it is at the gateway of `network`.
    pub(crate) fn new(name: String, network: &Network) -> Result<Self, InvalidRegistry> {
        let (host, port) = name.rsplit_once(':').ok_or(InvalidRegistry)?;
        let port: u16 = port.parse().map_err(|_| InvalidRegistry)?;
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        if host.is_empty() || host.len() > MAX_NAME_BYTES || !host.bytes().all(usual) || port == 0 {
            return Err(InvalidRegistry);
        }
        let (host, gateway) = (host.to_owned(), (network.ipv4.gateway, port).into());
        Ok(Self { host, gateway, name, network: *network })
    }
}

/// Writes what the engine is configured by, and serves it from then on. May block.
pub(crate) fn set_up(registry: Registry) -> Result<(), RegistryError> {
    let authority = Arc::new(Authority::new()?);
    settings::write(Path::new("/"), authority.certificate())?;
    Server::new(registry, authority).listen(PROXY).map_err(RegistryError::Listen)
}

#[cfg(test)]
mod tests;

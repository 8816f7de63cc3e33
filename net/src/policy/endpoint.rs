//! Services of the operator's that guests reach by name, though their addresses are never reached.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::{Decision, InvalidRule, Policy, Protocol, rule};
use crate::{
    control::{REGISTRY_NAME, REGISTRY_PORT},
    name::Name,
};

/// A service of the operator's, opened one by one: under this name and port at the gateway, over TCP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    pub name: Name,
    pub port: u16,
}

/// As the operator gives it: `NAME:PORT=ADDRESS:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointFlag {
    pub endpoint: Endpoint,
    /// What the daemon dials.
    pub target: SocketAddr,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    #[error(
        "{0:?} is no endpoint; write NAME:PORT=ADDRESS:PORT, like cache.kiln:80=127.0.0.1:8080"
    )]
    Form(String),
    #[error(transparent)]
    Name(#[from] InvalidRule),
    #[error(
        "{REGISTRY_NAME} and port {REGISTRY_PORT} of a gateway are the registry's; choose others"
    )]
    Registry,
    #[error("{0:?} is no address with a port, like 127.0.0.1:8080 or [::1]:8080")]
    Target(String),
}

impl Policy {
    /// Those of `all` that it names: what a machine of this policy gets.
    pub fn endpoints(&self, all: &[Endpoint]) -> Vec<Endpoint> {
        all.iter().filter(|one| self.opens(one)).cloned().collect()
    }

    fn opens(&self, endpoint: &Endpoint) -> bool {
        match self.decide(&endpoint.name, endpoint.port) {
            Decision::Refused => false,
            Decision::By(protocols) => protocols.iter().any(|one| *one != Protocol::Udp),
            Decision::AnyTcp | Decision::Anything => true,
        }
    }
}

impl FromStr for EndpointFlag {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let shown = |text: &str| text.chars().take(300).collect::<String>();
        let form = || InvalidEndpoint::Form(shown(text));
        let (endpoint, target) = text.split_once('=').ok_or_else(form)?;
        let (name, port) = endpoint.rsplit_once(':').ok_or_else(form)?;
        let port = rule::port(port)?;
        if Protocol::Tcp.is_shut_at(port) {
            let transport = Protocol::Tcp.transport();
            return Err(InvalidRule::Shut { port, transport }.into());
        }
        let name: Name = name.parse().map_err(InvalidRule::from)?;
        if port == REGISTRY_PORT || name.as_str() == REGISTRY_NAME {
            return Err(InvalidEndpoint::Registry);
        }
        let dialled: SocketAddr =
            target.parse().map_err(|_| InvalidEndpoint::Target(shown(target)))?;
        let usable =
            dialled.port() != 0 && !dialled.ip().is_unspecified() && !is_many(dialled.ip());
        if !usable {
            return Err(InvalidEndpoint::Target(shown(target)));
        }
        Ok(Self { endpoint: Endpoint { name, port }, target: dialled })
    }
}

fn is_many(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_multicast() || four.is_broadcast(),
        IpAddr::V6(six) => six.is_multicast(),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.name, self.port)
    }
}

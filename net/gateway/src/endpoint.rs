//! Services of the operator's, which a guest reaches at its gateway. The daemon dials them: nothing
//! of the host is routed to.

use std::net::{IpAddr, SocketAddr};

use kiln_net::{
    policy::{Endpoint, Protocol},
    record::Reason,
};
use tokio::net::TcpStream;

use crate::{
    control::ControlError,
    gateway::Gateway,
    splice::{Refusal, begin, relay},
};

pub(crate) fn is_gateway(gateway: &Gateway, address: IpAddr) -> bool {
    let link = &gateway.config.link;
    match address {
        IpAddr::V4(four) => four == link.gateway,
        IpAddr::V6(six) => link.six.is_some_and(|link| six == link.gateway),
    }
}

pub(crate) async fn splice(
    gateway: &Gateway,
    guest: &mut TcpStream,
    destination: SocketAddr,
) -> Result<(), Refusal> {
    let endpoint = find(gateway, destination).ok_or(Refusal::new(Reason::NotAllowed))?;
    let dialled = gateway.control.dial(endpoint.clone()).await;
    let mut server = dialled.map_err(|error| {
        let reason = match error {
            ControlError::Full => Reason::Limit,
            ControlError::Late(_) | ControlError::Refused(_) | ControlError::Confused => {
                Reason::Unreachable
            }
        };
        Refusal::new(reason).named(endpoint.name.to_string())
    })?;
    let flow = begin(gateway, &endpoint.name, destination, Protocol::Tcp);
    relay(guest.split(), server.split(), None, Vec::new(), &flow).await
}

/// By its port; where several have it, by which of their names the guest has asked for.
fn find(gateway: &Gateway, destination: SocketAddr) -> Option<&Endpoint> {
    let at_port = |endpoint: &&Endpoint| endpoint.port == destination.port();
    let all: Vec<_> = gateway.config.endpoints.iter().filter(at_port).collect();
    if let [one] = all[..] {
        return Some(one);
    }
    let names = gateway.admitted.names(destination.ip());
    let asked: Vec<_> = all.into_iter().filter(|one| names.contains(&one.name)).collect();
    match asked[..] {
        [one] => Some(one),
        // Which of them is meant can't be known.
        _ => None,
    }
}

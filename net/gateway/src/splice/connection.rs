//! One connection, from its destination to its end.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use kiln_net::{
    name::Name,
    policy::Protocol,
    record::{Flow, Reason, Refused, Transport},
};
use tokio::net::TcpStream;

use super::{
    candidates::Candidates,
    dial::dial,
    opening::{self, Opened, Speaks},
    origin, relay,
    settle::settle,
};
use crate::{endpoint, gateway::Gateway, http_host, recorder::FlowRecord};

/// Why a connection ends before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// None: the guest itself, or the server, ended it.
    pub(super) reason: Option<Reason>,
    /// As the guest said it, or as it is meant by the address.
    pub(super) name: Option<String>,
    /// The name may be another.
    pub(super) encrypted: bool,
}

impl Refusal {
    /// Broken off, and nothing to record.
    pub(crate) const SILENT: Self = Self { reason: None, name: None, encrypted: false };

    pub(crate) fn new(reason: Reason) -> Self {
        Self { reason: Some(reason), ..Self::SILENT }
    }

    pub(crate) fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// What has no name yet gets this one.
    pub(super) fn of(self, name: Option<&Name>) -> Self {
        Self { name: self.name.or_else(|| name.map(ToString::to_string)), ..self }
    }

    pub(super) fn is_silent(&self) -> bool {
        self.reason.is_none()
    }

    /// It names another host than it is for, or may.
    pub(super) fn is_other(&self) -> bool {
        self.encrypted || self.reason == Some(Reason::OtherServerName)
    }
}

impl From<&http_host::Unread> for Refusal {
    fn from(error: &http_host::Unread) -> Self {
        Self { name: error.name(), ..Self::new(error.reason()) }
    }
}

/// Of a connection that is redirected here from `destination`.
pub async fn serve(gateway: Arc<Gateway>, mut guest: TcpStream, destination: SocketAddr) {
    if let Err(refusal) = splice(&gateway, &mut guest, destination).await {
        origin::reset(&guest);
        if let Some(reason) = refusal.reason {
            record(&gateway, destination, refusal.name, reason);
        }
    }
}

async fn splice(
    gateway: &Gateway,
    guest: &mut TcpStream,
    destination: SocketAddr,
) -> Result<(), Refusal> {
    // Small answers to small questions don't wait for each other.
    let _ = guest.set_nodelay(true);
    if endpoint::is_gateway(gateway, destination.ip()) {
        return endpoint::splice(gateway, guest, destination).await;
    }
    if gateway.never(destination.ip()) {
        return Err(Refusal::new(Reason::Never));
    }
    let candidates = Candidates::new(gateway, destination);
    if candidates.first().is_none() {
        let name = gateway.admitted.names(destination.ip()).into_iter().next();
        return Err(Refusal::new(Reason::NotAllowed).of(name.as_ref()));
    }
    let opened = opening::read(guest, &candidates, destination.port()).await?;
    let (mut server, address) = dial(gateway, &opened.name, destination).await?;
    let Opened { name, speaks, bytes } = opened;
    let flow = begin(gateway, &name, address, speaks.protocol());
    let result = match speaks {
        Speaks::Tcp => relay(guest.split(), server.split(), None, bytes, &flow).await,
        Speaks::Http(requests) => {
            relay(guest.split(), server.split(), Some(*requests), bytes, &flow).await
        }
        Speaks::Tls { held } => {
            match settle(guest, &mut server, &name, (bytes, held), &flow).await {
                Ok(held) => relay(guest.split(), server.split(), None, held, &flow).await,
                Err(refusal) => Err(refusal),
            }
        }
    };
    if result.is_err() {
        origin::reset(&server);
    }
    result.map_err(|refusal| refusal.of(Some(&name)))
}

pub(crate) fn begin(
    gateway: &Gateway,
    name: &Name,
    address: SocketAddr,
    protocol: Protocol,
) -> FlowRecord {
    let now = SystemTime::now();
    gateway.recorder.began(Flow {
        name: Some(name.clone()),
        address: address.ip(),
        port: address.port(),
        transport: Transport::Tcp,
        protocol: Some(protocol),
        connections: 1,
        sent_bytes: 0,
        received_bytes: 0,
        first: now,
        last: now,
    })
}

pub(crate) fn record(
    gateway: &Gateway,
    destination: SocketAddr,
    name: Option<String>,
    reason: Reason,
) {
    let (address, port) = (destination.ip(), destination.port());
    let what = Refused::Connection { name, address, port, transport: Transport::Tcp };
    gateway.recorder.refused(what, reason);
}

//! One element of a set of notes, as `nft -j` lists it.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{SeenFlow, SeenRefusal};
use crate::{record::Transport, ruleset::NOTE_SECONDS};

#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    address: IpAddr,
    transport: Transport,
    port: u16,
    pub(super) bytes: u64,
    packets: u64,
    /// Where the set keeps time.
    pub(super) touched: Option<SystemTime>,
}

impl Element {
    pub(super) fn key(&self) -> (IpAddr, Transport, u16) {
        (self.address, self.transport, self.port)
    }

    pub(super) fn flow(&self, at: SystemTime) -> SeenFlow {
        let Self { address, transport, port, .. } = *self;
        SeenFlow { address, port, transport, sent_bytes: 0, received_bytes: 0, first: at, last: at }
    }

    pub(super) fn refusal(&self) -> SeenRefusal {
        let Self { address, transport, port, packets, .. } = *self;
        SeenRefusal { address, port, transport, packets }
    }
}

/// `{"elem":{"val":{"concat":[…]},"expires":…,"counter":{…}}}`, or the bare value.
pub(super) fn element(listed: &Value, now: SystemTime) -> Option<Element> {
    let inner = listed.get("elem").unwrap_or(listed);
    let value = inner.get("val").unwrap_or(inner);
    let parts = value.get("concat")?.as_array()?;
    let address = parts.first()?.as_str()?.parse().ok()?;
    let transport = transport(parts.get(1)?);
    let port = parts.get(2).map_or(Some(0), port)?;
    let counted = |what: &str| inner.get("counter").and_then(|counter| counter.get(what)?.as_u64());
    let left = inner.get("expires").and_then(Value::as_u64);
    let touched = left.and_then(|left| {
        let passed = u64::from(NOTE_SECONDS).saturating_sub(left);
        now.checked_sub(Duration::from_secs(passed))
    });
    let bytes = counted("bytes").unwrap_or_default();
    let packets = counted("packets").unwrap_or_default();
    Some(Element { address, transport, port, bytes, packets, touched })
}

/// By name or by number.
fn transport(value: &Value) -> Transport {
    match (value.as_str(), value.as_u64()) {
        (Some("tcp"), _) | (_, Some(6)) => Transport::Tcp,
        (Some("udp"), _) | (_, Some(17)) => Transport::Udp,
        (Some("icmp" | "ipv6-icmp"), _) | (_, Some(1 | 58)) => Transport::Icmp,
        _ => Transport::Other,
    }
}

/// A number, unless it was asked for by the name of a service.
fn port(value: &Value) -> Option<u16> {
    value.as_u64()?.try_into().ok()
}

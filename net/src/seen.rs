//! What the kernel saw of one machine's traffic, read before its namespace goes.

mod element;

use std::{collections::HashMap, net::IpAddr, time::SystemTime};

use serde::{Deserialize, Serialize};

use crate::{
    nft::{Listing, NftError, list},
    record::Transport,
    ruleset::table_name,
};
use element::{Element, element};

/// So many of each are listed, the earliest flows and the most frequent refusals: as JSON it stays
/// below 100 KB.
pub const LISTED: usize = 256;

/// What only the kernel knows: flows that no splice carried, and what was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    pub flows: Vec<SeenFlow>,
    pub refused: Vec<SeenRefusal>,
    /// Destinations that are not listed, and connections to those that had no room in the kernel.
    pub more_flows: u64,
    /// Destinations that are not listed, and packets to those that had no room in the kernel.
    pub more_refused: u64,
    /// What no honest guest sends.
    pub forged_frames: u64,
    /// Over one of the limits.
    pub limited_packets: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenFlow {
    pub address: IpAddr,
    /// 0 where the transport has none.
    pub port: u16,
    pub transport: Transport,
    /// With the headers of IP and above.
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub first: SystemTime,
    pub last: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenRefusal {
    pub address: IpAddr,
    /// 0 where the transport has none.
    pub port: u16,
    pub transport: Transport,
    pub packets: u64,
}

/// Of the network namespace of the calling thread.
pub fn read(instance: &str) -> Result<Seen, NftError> {
    let name = table_name(instance);
    let listing = list(&[("netdev", &name), ("inet", &name)])?;
    Ok(seen(&listing, SystemTime::now()))
}

/// Both families' elements of the set, and of the one for what has no ports.
fn elements(listing: &Listing, set: &str, now: SystemTime) -> Vec<Element> {
    ["4", "6", "_other4", "_other6"]
        .iter()
        .flat_map(|suffix| listing.elements(&format!("{set}{suffix}")))
        .filter_map(|value| element(value, now))
        .collect()
}

fn seen(listing: &Listing, now: SystemTime) -> Seen {
    let mut flows: HashMap<_, SeenFlow> = HashMap::new();
    for first in elements(listing, "first", now) {
        let touched = first.touched.unwrap_or(now);
        flows.insert(first.key(), first.flow(touched));
    }
    for sent in elements(listing, "out", now) {
        let touched = sent.touched.unwrap_or(now);
        let flow = flows.entry(sent.key()).or_insert_with(|| sent.flow(touched));
        flow.sent_bytes = sent.bytes;
        flow.last = flow.last.max(touched);
    }
    for received in elements(listing, "in", now) {
        if let Some(flow) = flows.get_mut(&received.key()) {
            flow.received_bytes = received.bytes;
            flow.last = flow.last.max(received.touched.unwrap_or(now));
        }
    }
    let mut flows: Vec<_> = flows.into_values().collect();
    flows.sort_by_key(|flow| (flow.first, flow.address, flow.port));
    let mut refused: Vec<_> =
        elements(listing, "refused", now).iter().map(Element::refusal).collect();
    refused
        .sort_by_key(|refusal| (std::cmp::Reverse(refusal.packets), refusal.address, refusal.port));
    let unlisted = |count: usize| u64::try_from(count.saturating_sub(LISTED)).unwrap_or(u64::MAX);
    Seen {
        more_flows: listing.packets("more_flows") + unlisted(flows.len()),
        more_refused: listing.packets("more_refused") + unlisted(refused.len()),
        forged_frames: listing.packets("forged"),
        limited_packets: listing.packets("limited"),
        flows: flows.into_iter().take(LISTED).collect(),
        refused: refused.into_iter().take(LISTED).collect(),
    }
}

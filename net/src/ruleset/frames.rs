//! What a guest may put on its wire: its own hardware address, ARP for its gateway, its own source
//! addresses. Everything else (tags, LLC, options, extension headers, fragments of IPv6, a router's
//! messages) is dropped here, before anything of the host's reads it.

use super::{
    expression::{address, any, block, mac, number, payload, transport_bits, word},
    family::{BROADCAST, Family, LINK_LOCAL, group_mac, link_local, solicited},
    statement::{
        Statement, accept, bytes_over, count, drop, is, is_not, packets_over, packets_within,
    },
    table::{Chain, Hook},
};
use crate::plan::{Cidr, GATEWAY_MAC, GUEST_MAC, Limits, TAP};

/// Before whatever else looks at frames.
const PRIORITY: i32 = -500;
/// Of ARP and of neighbour discovery each: one neighbour is asked for.
const NEIGHBOUR_PACKETS: u32 = 50;

pub(super) const FORGED: &str = "forged";
pub(super) const LIMITED: &str = "limited";

pub(super) fn frames(families: &[Family], limits: &Limits) -> Chain {
    let mut rules = vec![
        vec![
            packets_over(limits.packets_per_second, limits.packets_per_second),
            count(LIMITED),
            drop(),
        ],
        vec![bytes_over(limits.bytes_per_second, burst(limits)), count(LIMITED), drop()],
        vec![is_not(&payload("ether", "saddr"), &mac(GUEST_MAC)), count(FORGED), drop()],
    ];
    for family in families {
        match (family.guest, family.gateway) {
            (std::net::IpAddr::V6(guest), std::net::IpAddr::V6(gateway)) => {
                rules.extend(neighbour_discovery(guest, gateway));
                rules.extend(six(family));
            }
            // The more frequent first.
            _ => rules.extend([four(family), arp(family)]),
        }
    }
    rules.push(vec![count(FORGED), drop()]);
    Chain {
        name: "frames",
        hook: Some(Hook {
            kind: "filter",
            point: "ingress",
            device: Some(TAP),
            priority: PRIORITY,
            policy: "drop",
        }),
        rules,
    }
}

/// An eighth of a second, and never less than what one stream has under way.
pub(super) fn burst(limits: &Limits) -> u64 {
    (limits.bytes_per_second / 8).max(1 << 20)
}

fn arp(family: &Family) -> Vec<Statement> {
    vec![
        is(&payload("ether", "daddr"), &any(&[mac(GATEWAY_MAC), mac(BROADCAST)])),
        is(&payload("ether", "type"), &word("arp")),
        is(&payload("arp", "htype"), &number(1u8)),
        is(&payload("arp", "ptype"), &word("ip")),
        is(&payload("arp", "hlen"), &number(6u8)),
        is(&payload("arp", "plen"), &number(4u8)),
        is(&payload("arp", "operation"), &any(&[word("request"), word("reply")])),
        is(&payload("arp", "saddr ether"), &mac(GUEST_MAC)),
        is(&payload("arp", "saddr ip"), &address(family.guest)),
        is(&payload("arp", "daddr ip"), &address(family.gateway)),
        packets_within(NEIGHBOUR_PACKETS, NEIGHBOUR_PACKETS),
        accept(),
    ]
}

/// Without options: source routes are one of them, and no job has use for the others.
fn four(family: &Family) -> Vec<Statement> {
    vec![
        is(&payload("ether", "daddr"), &mac(GATEWAY_MAC)),
        is(&payload("ether", "type"), &word("ip")),
        is(&payload("ip", "version"), &number(4u8)),
        is(&payload("ip", "hdrlength"), &number(5u8)),
        is(&family.source(), &address(family.guest)),
        accept(),
    ]
}

/// Without extension headers; a fragment is one of them.
fn six(family: &Family) -> [Vec<Statement>; 2] {
    let plain = |next: &[&str]| {
        let next: Vec<_> = next.iter().map(|next| word(next)).collect();
        vec![
            is(&payload("ether", "daddr"), &mac(GATEWAY_MAC)),
            is(&payload("ether", "type"), &word("ip6")),
            is(&family.source(), &address(family.guest)),
            is(&payload("ip6", "nexthdr"), &any(&next)),
        ]
    };
    let mut transports = plain(&["tcp", "udp"]);
    transports.push(accept());
    let mut messages = plain(&["ipv6-icmp"]);
    let kinds = [
        "destination-unreachable",
        "packet-too-big",
        "time-exceeded",
        "parameter-problem",
        "echo-request",
    ];
    messages.push(is(&payload("icmpv6", "type"), &any(&kinds.map(word))));
    messages.push(accept());
    [transports, messages]
}

/// The guest asks for its gateway, and answers for itself; an answer goes to whoever asked, which
/// is the gateway by either of its addresses.
fn neighbour_discovery(
    guest: std::net::Ipv6Addr,
    gateway: std::net::Ipv6Addr,
) -> [Vec<Statement>; 2] {
    let group = solicited(gateway);
    let own = any(&[address(guest), address(link_local(GUEST_MAC))]);
    let neighbours = Cidr::new(LINK_LOCAL.0.into(), LINK_LOCAL.1)
        .map_or_else(|_| address(gateway), |neighbours| block(&neighbours));
    let message = |kind: &str, about: &super::expression::Expression| {
        vec![
            is(&payload("ether", "daddr"), &any(&[mac(GATEWAY_MAC), mac(group_mac(group))])),
            is(&payload("ether", "type"), &word("ip6")),
            is(&payload("ip6", "saddr"), &own),
            is(
                &payload("ip6", "daddr"),
                &any(&[neighbours.clone(), address(gateway), address(group)]),
            ),
            is(&payload("ip6", "nexthdr"), &word("ipv6-icmp")),
            is(&payload("ip6", "hoplimit"), &number(255u8)),
            is(&payload("icmpv6", "type"), &word(kind)),
            is(&transport_bits(64, 128), about),
            packets_within(NEIGHBOUR_PACKETS, NEIGHBOUR_PACKETS),
            accept(),
        ]
    };
    let bits = |address: std::net::Ipv6Addr| {
        let bits = format!("{:#034x}", address.to_bits());
        super::expression::Expression::new(bits.clone(), serde_json::json!(bits))
    };
    [
        message("nd-neighbor-solicit", &bits(gateway)),
        message("nd-neighbor-advert", &any(&[bits(guest), bits(link_local(GUEST_MAC))])),
    ]
}

//! The guest's link, and what this namespace answers, learns and passes on.

use std::{net::IpAddr, os::fd::OwnedFd};

use super::NetworkError;
use crate::{
    netlink::{Action, Netlink, Route, Rule},
    plan::{GATEWAY_MAC, GUEST_MAC, HostNetwork, MARK, MARK_MASK, TAP, UPLINK},
    sysctl, tap,
    uplink::TABLE,
};

/// Of every link here: a namespace begins with what the host has.
const SWITCHES: [(&str, &str); 14] = [
    ("ipv4/conf/all/forwarding", "0"),
    // Of the guest's link alone: for answers the kernel asks whether a packet of the guest's would
    // leave by the uplink, and without the mark none would.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/src_valid_mark", "0"),
    ("ipv4/conf/default/src_valid_mark", "0"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/conf/all/accept_source_route", "0"),
    ("ipv4/conf/all/route_localnet", "0"),
    ("ipv4/conf/default/route_localnet", "0"),
    ("ipv4/conf/all/proxy_arp", "0"),
    // The rules let it ask for its gateway alone; any stricter, and an address that has a peer is
    // never answered for.
    ("ipv4/conf/all/arp_ignore", "0"),
    // A guest is told of each refusal, not of one in a second.
    ("ipv4/icmp_ratemask", "0"),
];
const SWITCHES6: [(&str, &str); 8] = [
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/autoconf", "0"),
    ("ipv6/conf/all/accept_redirects", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
    // No address but those that it is given.
    ("ipv6/conf/default/addr_gen_mode", "1"),
    ("ipv6/icmp/ratelimit", "0"),
];
const NO_SIX: [(&str, &str); 2] =
    [("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")];
const LOOPBACK: &str = "lo";

/// What is asked before and after the table of everybody, which knows no way out.
const FROM_GUEST: u32 = 100;
const NO_WAY: u32 = 101;
const OWN: u32 = 40_000;

/// In a namespace with nothing in it: its TAP, which is not up, and how to go on.
pub(super) fn prepare(network: &HostNetwork) -> Result<(Netlink, OwnedFd), NetworkError> {
    let six: &[_] = if network.link.six.is_some() { &SWITCHES6 } else { &NO_SIX };
    for (name, value) in SWITCHES {
        sysctl::set(name, value)?;
    }
    for (name, value) in six {
        sysctl::set_if_there(name, value)?;
    }
    let mut inside = Netlink::open().map_err(NetworkError::Namespace)?;
    let tap = tap::make(TAP).map_err(NetworkError::Tap)?;
    if let Some(link) = inside.link(LOOPBACK)? {
        inside.set_up(link.index)?;
    }
    // Before there is a way to be asked for.
    for rule in rules(network) {
        inside.add_rule(&rule)?;
    }
    Ok((inside, tap))
}

/// What comes from the guest has a way only with the mark that our rules give it.
fn rules(network: &HostNetwork) -> Vec<Rule> {
    let families = if network.link.six.is_some() { vec![false, true] } else { vec![false] };
    let of_family = |is_six| {
        let rule = |priority, action| Rule {
            priority,
            is_six,
            from: None,
            input: Some(TAP.to_owned()),
            mark: None,
            action,
        };
        let way = Action::LookUp { table: TABLE };
        [
            Rule { mark: Some((MARK, MARK_MASK)), ..rule(FROM_GUEST, way) },
            rule(NO_WAY, Action::Unreachable),
            Rule { input: None, ..rule(OWN, way) },
        ]
    };
    families.into_iter().flat_map(of_family).collect()
}

/// The guest's link, up, under the rules that stand.
pub(super) fn connect(inside: &mut Netlink, network: &HostNetwork) -> Result<(), NetworkError> {
    let foreign = || NetworkError::Foreign { name: TAP.to_owned() };
    let link = inside.link(TAP)?.ok_or_else(foreign)?.index;
    inside.set_address(link, GATEWAY_MAC)?;
    let four = (IpAddr::from(network.link.gateway), IpAddr::from(network.link.guest));
    let six = network.link.six.iter().map(|six| (six.gateway.into(), six.guest.into()));
    let ends: Vec<_> = [four].into_iter().chain(six).collect();
    for (gateway, guest) in &ends {
        inside.add_address(link, *gateway, Some(*guest))?;
    }
    for link in [TAP, UPLINK] {
        sysctl::set(&format!("ipv4/conf/{link}/forwarding"), "1")?;
    }
    // A guest that says to be somebody who is elsewhere is not heard.
    for (link, filters) in [(TAP, "1"), (UPLINK, "0")] {
        sysctl::set(&format!("ipv4/conf/{link}/rp_filter"), filters)?;
    }
    inside.set_up(link)?;
    for (_, guest) in ends {
        // There is one guest, and it has this address whatever it says.
        inside.add_neighbour(link, guest, GUEST_MAC)?;
        if guest.is_ipv6() {
            // Of an IPv6 address's peer the kernel forgets the way when the link was down before.
            inside.add_route(&Route::to(guest, link))?;
        }
    }
    Ok(())
}

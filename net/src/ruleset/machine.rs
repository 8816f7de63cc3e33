//! One machine's.

mod filter;
mod notes;
mod translation;

use std::net::IpAddr;

use super::{
    Ruleset,
    family::{Family, families},
    frames::{self, FORGED, LIMITED},
    table::{Kind, Set, Table},
    table_name,
};
use crate::plan::{HostNetwork, Lease, Plan};

/// Elements at once.
const ADMITTED: u32 = 16_384;
/// Destinations that are told apart, of each family.
const FLOWS: u32 = 1024;
const REFUSED: u32 = 1024;
/// Longer than any machine lives; what is left of it tells when an element was touched.
pub(crate) const NOTE_SECONDS: u32 = 30 * 24 * 3600;

/// Packets and connections for which a set had no room.
pub(crate) const MORE_FLOWS: &str = "more_flows";
pub(crate) const MORE_REFUSED: &str = "more_refused";
/// What would have left without our address.
const UNTRANSLATED: &str = "untranslated";
const INVALID: &str = "invalid";

/// What a machine's namespace is given before its VMM has the TAP. `host_addresses` are those that
/// the host has now; later ones come by [`crate::nft::host_addresses`].
pub fn machine(
    host: &HostNetwork,
    plan: &Plan,
    lease: &Lease,
    host_addresses: &[IpAddr],
) -> Ruleset {
    let families = families(&host.link, lease);
    let name = table_name(&host.instance);
    let frames = Table {
        family: "netdev",
        name: name.clone(),
        sets: Vec::new(),
        counters: vec![FORGED, LIMITED],
        chains: vec![frames::frames(&families, &plan.limits)],
    };
    let mut chains = vec![
        filter::marked(&families),
        filter::input(&families),
        filter::local(&families, plan),
        filter::forward(&families),
        filter::asked(&families, plan),
        filter::output(&families, plan),
        filter::leaving(&families, &plan.limits),
        notes::opened(&families, &plan.limits),
        notes::counted(&families),
        notes::refuse(&families),
        notes::answer(),
        translation::source(&families),
    ];
    chains.extend(translation::destination(&families, plan.reach));
    let rest = Table {
        family: "inet",
        name,
        sets: families
            .iter()
            .flat_map(|family| sets(family, host, host_addresses))
            .chain(only_host_addresses(&families, host_addresses))
            .collect(),
        counters: vec![MORE_FLOWS, MORE_REFUSED, LIMITED, UNTRANSLATED, INVALID],
        chains,
    };
    Ruleset { tables: vec![frames, rest] }
}

/// Is kept up with the host's addresses where IPv6 is off, too.
fn only_host_addresses(families: &[Family], host_addresses: &[IpAddr]) -> Option<Set> {
    let own = host_addresses.iter().copied().filter(IpAddr::is_ipv6).collect();
    (!families.iter().any(|family| family.six)).then(|| Set {
        name: "host6".into(),
        key: vec!["ipv6_addr"],
        kind: Kind::Addresses(own),
    })
}

fn sets(family: &Family, host: &HostNetwork, host_addresses: &[IpAddr]) -> Vec<Set> {
    let address = family.address_type();
    let exact = || vec![address, "inet_proto", "inet_service"];
    let coarse = || vec![address, "inet_proto"];
    let set = |name: &str, key: Vec<&'static str>, kind| Set { name: family.set(name), key, kind };
    let noted = |size, timed: bool, counted| Kind::Noted {
        size,
        seconds: timed.then_some(NOTE_SECONDS),
        counted,
    };
    vec![
        set("never", vec![address], Kind::Blocks(family.never(host))),
        set("host", vec![address], Kind::Addresses(family.own(host_addresses))),
        set("allowed", exact(), Kind::Admitted { size: ADMITTED }),
        set("allowed_any", coarse(), Kind::Admitted { size: ADMITTED }),
        set("first", exact(), noted(FLOWS, true, false)),
        set("out", exact(), noted(FLOWS, true, true)),
        set("in", exact(), noted(FLOWS, true, true)),
        set("first_other", coarse(), noted(FLOWS, true, false)),
        set("out_other", coarse(), noted(FLOWS, true, true)),
        set("in_other", coarse(), noted(FLOWS, true, true)),
        set("refused", exact(), noted(REFUSED, false, true)),
        set("refused_other", coarse(), noted(REFUSED, false, true)),
    ]
}

//! The host's: the same for every machine, so that one more changes nothing here.

use super::{
    Ruleset,
    expression::{any, block, ct_beginner, interface, meta, number, word},
    family::never,
    statement::{
        Statement, accept, count, direction, drop, from, is, is_not, mark, masquerade, to, tracked,
    },
    table::{Chain, Hook, Kind, Set, Table},
    table_name,
};
use std::collections::BTreeSet;

use crate::plan::{HostNetwork, MARK};

const FORGED: &str = "forged";
const REFUSED: &str = "refused";

/// Links that forward for machines alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    pub four: BTreeSet<String>,
    pub six: BTreeSet<String>,
    /// All links, whatever they are called, of IPv6.
    pub whole_six: bool,
}

impl Guard {
    /// Whether a link's name can be written here.
    pub fn can_name(link: &str) -> bool {
        link.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'*' | b'\\'))
    }
}

/// What the host's own namespace is given, and given anew when `guard` is another one.
pub fn host(host: &HostNetwork, guard: &Guard) -> Ruleset {
    let ours = format!("{}*", host.prefix);
    let sixes = if host.pools.iter().any(|pool| pool.address().is_ipv6()) {
        vec![false, true]
    } else {
        vec![false]
    };
    let set = |six: bool| Set {
        name: never_set(six).to_owned(),
        key: vec![if six { "ipv6_addr" } else { "ipv4_addr" }],
        kind: Kind::Blocks(never(host, six)),
    };
    let rest = Table {
        family: "inet",
        name: table_name(&host.instance),
        sets: sixes.iter().map(|six| set(*six)).chain(guarded_sets(guard)).collect(),
        counters: vec![FORGED, REFUSED],
        chains: vec![
            marked(host, &ours, &sixes),
            chain(
                "input",
                "filter",
                "input",
                FILTER,
                vec![vec![from(&ours), count(REFUSED), drop()]],
            ),
            forward(host, &ours, &sixes, guard),
            translated(host, &ours, &sixes),
        ],
    };
    Ruleset { tables: vec![rest] }
}

const MANGLE: i32 = -150;
const FILTER: i32 = 0;
const SOURCE: i32 = 100;

fn never_set(six: bool) -> &'static str {
    if six { "never6" } else { "never4" }
}

fn address_field(six: bool, field: &str) -> super::expression::Expression {
    super::expression::payload(if six { "ip6" } else { "ip" }, field)
}

fn chain(
    name: &'static str,
    kind: &'static str,
    point: &'static str,
    priority: i32,
    rules: Vec<Vec<Statement>>,
) -> Chain {
    // Of others' packets nothing here decides.
    let hook = Hook { kind, point, device: None, priority, policy: "accept" };
    Chain { name, hook: Some(hook), rules }
}

fn of_pools(host: &HostNetwork, six: bool, field: &str) -> Option<Statement> {
    let pools: Vec<_> =
        host.pools.iter().filter(|pool| pool.address().is_ipv6() == six).map(block).collect();
    (!pools.is_empty()).then(|| is(&address_field(six, field), &any(&pools)))
}

/// Only what has the mark has a route.
fn marked(host: &HostNetwork, ours: &str, sixes: &[bool]) -> Chain {
    let mut rules = Vec::new();
    for pools in sixes.iter().filter_map(|six| of_pools(host, *six, "saddr")) {
        rules.push(vec![from(ours), pools, mark(MARK), accept()]);
    }
    rules.push(vec![from(ours), count(FORGED), drop()]);
    // Links that ask for a way back (`rp_filter`) are to find one for answers: with the mark the
    // kernel asks as for what the machine sent. And guarded links let through what has it.
    for six in sixes {
        let pools = host.pools.iter().filter(|pool| pool.address().is_ipv6() == *six);
        let pools: Vec<_> = pools.map(block).collect();
        if !pools.is_empty() {
            rules.push(vec![is(&ct_beginner(*six), &any(&pools)), direction("reply"), mark(MARK)]);
        }
    }
    chain("marked", "filter", "prerouting", MANGLE, rules)
}

const GUARDED: [(&str, &str); 2] = [("guarded4", "ipv4"), ("guarded6", "ipv6")];

fn guarded_sets(guard: &Guard) -> impl Iterator<Item = Set> {
    let names = GUARDED.into_iter().zip([&guard.four, &guard.six]);
    names.map(|((name, _), links)| Set {
        name: name.to_owned(),
        key: vec!["ifname"],
        kind: Kind::Links(links.iter().cloned().collect()),
    })
}

/// Marked are answers, those to other daemons' machines too; nobody outside can mark anything.
fn guarded(guard: &Guard) -> impl Iterator<Item = Vec<Statement>> {
    let unmarked = || is_not(&meta("mark"), &number(MARK));
    let of = |family| is(&meta("nfproto"), &word(family));
    let links = GUARDED.into_iter().map(move |(name, family)| {
        let from_them = is(&meta("iifname"), &super::expression::set(name));
        vec![of(family), from_them, unmarked(), count(REFUSED), drop()]
    });
    let whole = guard.whole_six.then(|| vec![of("ipv6"), unmarked(), count(REFUSED), drop()]);
    links.chain(whole)
}

fn forward(host: &HostNetwork, ours: &str, sixes: &[bool], guard: &Guard) -> Chain {
    let mut rules = vec![
        vec![from(ours), to(ours), count(REFUSED), drop()],
        // It would not be translated.
        vec![from(ours), tracked("state", &["invalid"]), count(REFUSED), drop()],
    ];
    for six in sixes {
        let never = super::expression::set(never_set(*six));
        let whither = is(&address_field(*six, "daddr"), &never);
        rules.push(vec![from(ours), whither, count(REFUSED), drop()]);
    }
    // Nobody connects to a machine from outside.
    rules.push(vec![to(ours), tracked("state", &["established", "related"]), accept()]);
    rules.push(vec![to(ours), count(REFUSED), drop()]);
    // A late answer to one that has gone would leave by the default route.
    let gone = sixes.iter().filter_map(|six| of_pools(host, *six, "daddr"));
    rules.extend(gone.map(|pools| vec![pools, count(REFUSED), drop()]));
    rules.extend(guarded(guard));
    chain("forward", "filter", "forward", FILTER, rules)
}

fn translated(host: &HostNetwork, ours: &str, sixes: &[bool]) -> Chain {
    let outwards = is_not(&meta("oifname"), &interface(ours));
    let rules = sixes
        .iter()
        .filter_map(|six| of_pools(host, *six, "saddr"))
        .map(|pools| vec![pools, outwards.clone(), masquerade()]);
    chain("srcnat", "nat", "postrouting", SOURCE, rules.collect())
}

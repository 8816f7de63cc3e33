//! What may pass, and where.

use super::{
    super::{
        expression::{any, meta, number, payload, set, word},
        family::Family,
        frames::{LIMITED, burst},
        statement::{
            Statement, accept, bytes_over, connections_over, count, destination_port, drop, from,
            goto, is, is_not, mark, packets_over, prohibited, to, tracked, transport,
        },
        table::{Chain, Hook},
    },
    INVALID, UNTRANSLATED,
};
use crate::{
    control::REGISTRY_PORT,
    plan::{DNS_PORT, Limits, MARK, Plan, Reach, SPLICE_PORT, TAP, UPLINK},
};

/// DNS and DNS over TLS of others: shut where names decide.
pub(super) const SHUT: [u16; 2] = [53, 853];
/// QUIC, which no splice can look into.
const SHUT_UDP: [u16; 3] = [53, 443, 853];
/// A tunnel for IPv6, where there is none otherwise.
const TEREDO: u16 = 3544;
/// Questions to the resolver: a second, and streams or unanswered datagrams at once.
const QUESTIONS: u32 = 500;
const ASKING: u32 = 256;
/// A second.
const ECHOES: u32 = 20;

const MANGLE: i32 = -150;
const FILTER: i32 = 0;
/// Behind the translation of sources.
const LAST: i32 = 150;

fn chain(
    name: &'static str,
    point: &'static str,
    priority: i32,
    rules: Vec<Vec<Statement>>,
) -> Chain {
    let hook = Hook { kind: "filter", point, device: None, priority, policy: "drop" };
    Chain { name, hook: Some(hook), rules }
}

fn only_four(families: &[Family]) -> bool {
    !families.iter().any(|family| family.six)
}

fn without_six() -> Vec<Statement> {
    vec![is(&meta("nfproto"), &word("ipv6")), drop()]
}

/// Neither TCP nor UDP.
pub(super) fn not_ported() -> Statement {
    is_not(&meta("l4proto"), &any(&[word("tcp"), word("udp")]))
}

fn neighbour_messages() -> Vec<Statement> {
    let kinds = ["nd-neighbor-solicit", "nd-neighbor-advert"].map(word);
    vec![is(&payload("icmpv6", "type"), &any(&kinds)), accept()]
}

/// Only what has the mark has a route.
pub(super) fn marked(families: &[Family]) -> Chain {
    let mut rules = vec![vec![from("lo"), accept()]];
    if only_four(families) {
        rules.push(without_six());
    }
    rules.push(vec![from(TAP), mark(MARK), accept()]);
    for family in families {
        let ours = is(&family.destination(), &super::super::expression::address(family.leased));
        rules.push(vec![from(UPLINK), ours, accept()]);
    }
    chain("marked", "prerouting", MANGLE, rules)
}

pub(super) fn input(families: &[Family]) -> Chain {
    let mut rules = vec![vec![from("lo"), accept()]];
    // Before what was answered once counts as established.
    for family in families {
        let question = destination_port("udp", &[number(DNS_PORT)]);
        for (packet, most) in [(question, QUESTIONS), (echo(family), ECHOES)] {
            let over = packets_over(most, most);
            rules.push(vec![from(TAP), family.to_gateway(), packet, over, count(LIMITED), drop()]);
        }
    }
    rules.push(vec![tracked("state", &["established"]), accept()]);
    rules.extend(families.iter().map(errors));
    rules.push(vec![tracked("state", &["invalid"]), count(INVALID), drop()]);
    if !only_four(families) {
        let mut rule = vec![from(TAP)];
        rule.extend(neighbour_messages());
        rules.push(rule);
    }
    rules.push(vec![from(TAP), goto("local")]);
    chain("input", "input", FILTER, rules)
}

fn echo(family: &Family) -> Statement {
    is(&payload(family.icmp_header(), "type"), &word("echo-request"))
}

/// From the guest to its gateway.
pub(super) fn local(families: &[Family], plan: &Plan) -> Chain {
    let limits = &plan.limits;
    let mut rules = Vec::new();
    for family in families {
        let dns =
            |protocol| vec![family.to_gateway(), destination_port(protocol, &[number(DNS_PORT)])];
        let limited = |mut rule: Vec<Statement>, limit: Statement| {
            rule.extend([limit, count(LIMITED), goto("answer")]);
            rule
        };
        rules.push(limited(dns("tcp"), packets_over(QUESTIONS, QUESTIONS)));
        for protocol in ["udp", "tcp"] {
            rules.push(limited(dns(protocol), connections_over(ASKING)));
            let mut asked = dns(protocol);
            asked.push(accept());
            rules.push(asked);
        }
        let rate = limits.new_connections_per_second;
        let registry =
            || vec![family.to_gateway(), destination_port("tcp", &[number(REGISTRY_PORT)])];
        rules.push(limited(registry(), packets_over(rate, rate)));
        rules.push(limited(registry(), connections_over(limits.connections)));
        let mut accepted = registry();
        accepted.push(accept());
        rules.push(accepted);
        if plan.reach != Reach::Closed {
            let spliced = || {
                let port = destination_port("tcp", &[number(SPLICE_PORT)]);
                vec![family.to_gateway(), port, tracked("status", &["dnat"])]
            };
            rules.push(limited(spliced(), packets_over(rate, rate)));
            rules.push(limited(spliced(), connections_over(limits.connections)));
            let mut accepted = spliced();
            accepted.push(accept());
            rules.push(accepted);
        }
        rules.push(vec![family.to_gateway(), echo(family), accept()]);
    }
    rules.push(vec![goto("refuse")]);
    Chain { name: "local", hook: None, rules }
}

pub(super) fn forward(families: &[Family]) -> Chain {
    let mut rules = vec![vec![tracked("state", &["established"]), goto("counted")]];
    rules.extend(families.iter().map(errors));
    rules.extend([
        vec![tracked("state", &["invalid"]), count(INVALID), drop()],
        vec![from(TAP), to(UPLINK), goto("asked")],
        vec![from(TAP), goto("refuse")],
    ]);
    chain("forward", "forward", FILTER, rules)
}

/// What is said about a connection that there is; a redirect is no such thing.
fn errors(family: &Family) -> Vec<Statement> {
    let mut kinds = vec!["destination-unreachable", "time-exceeded", "parameter-problem"];
    if family.six {
        kinds.push("packet-too-big");
    }
    let kinds: Vec<_> = kinds.into_iter().map(word).collect();
    let kind = is(&payload(family.icmp_header(), "type"), &any(&kinds));
    vec![tracked("state", &["related"]), kind, accept()]
}

/// From the guest to the outside, and new.
pub(super) fn asked(families: &[Family], plan: &Plan) -> Chain {
    let mut rules = Vec::new();
    for family in families {
        rules.push(vec![family.to_one_of("never"), goto("refuse")]);
        rules.push(vec![family.to_one_of("host"), goto("refuse")]);
    }
    match plan.reach {
        Reach::Closed => {}
        Reach::Admitted => {
            let shut = destination_port("udp", &SHUT_UDP.map(number));
            rules.push(vec![shut, goto("refuse")]);
            for family in families {
                let exact = is(&family.whither(), &set(&family.set("allowed")));
                let any_port = is(&family.whither_without_port(), &set(&family.set("allowed_any")));
                for admitted in [exact, any_port] {
                    rules.push(vec![transport(&["udp"]), admitted, goto("opened")]);
                }
            }
        }
        Reach::Internet => {
            if only_four(families) {
                let teredo = destination_port("udp", &[number(TEREDO)]);
                rules.push(vec![teredo, goto("refuse")]);
            }
            rules.push(vec![transport(&["tcp", "udp"]), goto("opened")]);
            for family in families {
                rules.push(vec![echo(family), goto("opened")]);
            }
        }
    }
    rules.push(vec![goto("refuse")]);
    Chain { name: "asked", hook: None, rules }
}

/// The gateway's own.
pub(super) fn output(families: &[Family], plan: &Plan) -> Chain {
    let mut rules = vec![vec![to("lo"), accept()]];
    if only_four(families) {
        rules.push(without_six());
    } else {
        let router = ["nd-router-advert", "nd-redirect"].map(word);
        rules.push(vec![is(&payload("icmpv6", "type"), &any(&router)), drop()]);
    }
    rules.push(vec![to(TAP), accept()]);
    rules.push(vec![tracked("state", &["established"]), accept()]);
    for family in families.iter().filter(|_| plan.reach == Reach::Admitted) {
        rules.push(vec![family.to_one_of("never"), prohibited()]);
        rules.push(vec![family.to_one_of("host"), prohibited()]);
        let exact = is(&family.whither(), &set(&family.set("allowed")));
        let any_port = is(&family.whither_without_port(), &set(&family.set("allowed_any")));
        for admitted in [exact, any_port] {
            rules.push(vec![to(UPLINK), transport(&["tcp"]), admitted, accept()]);
        }
    }
    rules.push(vec![prohibited()]);
    chain("output", "output", FILTER, rules)
}

/// Whatever goes out of one of the two links, once more.
pub(super) fn leaving(families: &[Family], limits: &Limits) -> Chain {
    let packets = limits.packets_per_second;
    let mut rules = vec![
        vec![to("lo"), accept()],
        vec![to(TAP), packets_over(packets, packets), count(LIMITED), drop()],
        vec![to(TAP), bytes_over(limits.bytes_per_second, burst(limits)), count(LIMITED), drop()],
        vec![to(TAP), accept()],
    ];
    for family in families {
        let ours = is(&family.source(), &super::super::expression::address(family.leased));
        rules.push(vec![to(UPLINK), ours, accept()]);
    }
    rules.push(vec![count(UNTRANSLATED), drop()]);
    chain("leaving", "postrouting", LAST, rules)
}

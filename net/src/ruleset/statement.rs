//! What a rule consists of.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::expression::{Expression, any, ct, interface, meta, payload, word};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) json: Value,
}

fn statement(text: impl Into<String>, json: Value) -> Statement {
    Statement { text: text.into(), json }
}

fn compared(operator: &str, left: &Expression, right: &Expression) -> Statement {
    let written = if operator == "==" { "" } else { "!= " };
    statement(
        format!("{} {written}{}", left.text, right.text),
        json!({"match": {"op": operator, "left": left.json, "right": right.json}}),
    )
}

pub(super) fn is(left: &Expression, right: &Expression) -> Statement {
    compared("==", left, right)
}

pub(super) fn is_not(left: &Expression, right: &Expression) -> Statement {
    compared("!=", left, right)
}

/// A bit of a field of bits: `state`, `status`.
pub(super) fn tracked(key: &str, bits: &[&str]) -> Statement {
    let right = if let [only] = bits { json!(only) } else { json!(bits) };
    statement(
        format!("ct {key} {}", bits.join(",")),
        json!({"match": {"op": "in", "left": {"ct": {"key": key}}, "right": right}}),
    )
}

pub(super) fn from(name: &str) -> Statement {
    is(&meta("iifname"), &interface(name))
}

pub(super) fn to(name: &str) -> Statement {
    is(&meta("oifname"), &interface(name))
}

pub(super) fn direction(direction: &str) -> Statement {
    is(&ct("direction"), &word(direction))
}

pub(super) fn transport(protocols: &[&str]) -> Statement {
    let words: Vec<_> = protocols.iter().map(|protocol| word(protocol)).collect();
    is(&meta("l4proto"), &any(&words))
}

pub(super) fn destination_port(protocol: &str, ports: &[Expression]) -> Statement {
    is(&payload(protocol, "dport"), &any(ports))
}

/// At most so many connections at once come past here; those beyond match.
pub(super) fn connections_over(count: u32) -> Statement {
    statement(format!("ct count over {count}"), json!({"ct count": {"val": count, "inv": true}}))
}

/// Matches while below.
pub(super) fn packets_within(per_second: u32, burst: u32) -> Statement {
    statement(
        format!("limit rate {per_second}/second burst {burst} packets"),
        json!({"limit": {"rate": per_second, "burst": burst, "per": "second"}}),
    )
}

/// Matches what is beyond.
pub(super) fn packets_over(per_second: u32, burst: u32) -> Statement {
    statement(
        format!("limit rate over {per_second}/second burst {burst} packets"),
        json!({"limit": {"rate": per_second, "burst": burst, "per": "second", "inv": true}}),
    )
}

pub(super) fn bytes_over(per_second: u64, burst: u64) -> Statement {
    statement(
        format!("limit rate over {per_second} bytes/second burst {burst} bytes"),
        json!({"limit": {
            "rate": per_second, "burst": burst, "per": "second", "inv": true,
            "rate_unit": "bytes", "burst_unit": "bytes",
        }}),
    )
}

/// Goes on to the next rule where the set is full.
pub(super) fn note(operation: &str, set: &str, key: &Expression) -> Statement {
    statement(
        format!("{operation} @{set} {{ {} }}", key.text),
        json!({"set": {"op": operation, "elem": key.json, "set": format!("@{set}")}}),
    )
}

pub(super) fn count(counter: &str) -> Statement {
    statement(format!("counter name \"{counter}\""), json!({"counter": counter}))
}

pub(super) fn mark(mark: u32) -> Statement {
    statement(
        format!("meta mark set {mark:#010x}"),
        json!({"mangle": {"key": {"meta": {"key": "mark"}}, "value": mark}}),
    )
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ip" } else { "ip6" }
}

pub(super) fn to_gateway(address: IpAddr, port: u16) -> Statement {
    let family = family(address);
    let text = match address {
        IpAddr::V4(address) => format!("dnat ip to {address}:{port}"),
        IpAddr::V6(address) => format!("dnat ip6 to [{address}]:{port}"),
    };
    statement(text, json!({"dnat": {"family": family, "addr": address.to_string(), "port": port}}))
}

pub(super) fn as_coming_from(address: IpAddr) -> Statement {
    let family = family(address);
    statement(
        format!("snat {family} to {address}"),
        json!({"snat": {"family": family, "addr": address.to_string()}}),
    )
}

pub(super) fn masquerade() -> Statement {
    statement("masquerade", json!({"masquerade": null}))
}

pub(super) fn accept() -> Statement {
    statement("accept", json!({"accept": null}))
}

pub(super) fn drop() -> Statement {
    statement("drop", json!({"drop": null}))
}

pub(super) fn goto(chain: &str) -> Statement {
    statement(format!("goto {chain}"), json!({"goto": {"target": chain}}))
}

pub(super) fn reset() -> Statement {
    statement("reject with tcp reset", json!({"reject": {"type": "tcp reset"}}))
}

pub(super) fn prohibited() -> Statement {
    statement(
        "reject with icmpx type admin-prohibited",
        json!({"reject": {"type": "icmpx", "expr": "admin-prohibited"}}),
    )
}

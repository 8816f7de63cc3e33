//! What a match looks at and compares with: as it is written, and as `nft -j` lists it.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::plan::Cidr;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expression {
    pub(super) text: String,
    pub(super) json: Value,
}

impl Expression {
    pub(super) fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json }
    }
}

pub(super) fn meta(key: &str) -> Expression {
    Expression::new(format!("meta {key}"), json!({"meta": {"key": key}}))
}

pub(super) fn ct(key: &str) -> Expression {
    Expression::new(format!("ct {key}"), json!({"ct": {"key": key}}))
}

/// Who began the connection, as the host saw it first.
pub(super) fn ct_beginner(six: bool) -> Expression {
    let key = if six { "ip6 saddr" } else { "ip saddr" };
    Expression::new(format!("ct original {key}"), json!({"ct": {"key": key, "dir": "original"}}))
}

pub(super) fn payload(protocol: &str, field: &str) -> Expression {
    Expression::new(
        format!("{protocol} {field}"),
        json!({"payload": {"protocol": protocol, "field": field}}),
    )
}

/// Bits of the transport's header that 1.0.6 has no name for.
pub(super) fn transport_bits(offset: u32, length: u32) -> Expression {
    Expression::new(
        format!("@th,{offset},{length}"),
        json!({"payload": {"base": "th", "offset": offset, "len": length}}),
    )
}

pub(super) fn concat(parts: &[Expression]) -> Expression {
    let texts: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
    let values: Vec<_> = parts.iter().map(|part| part.json.clone()).collect();
    Expression::new(texts.join(" . "), json!({"concat": values}))
}

pub(super) fn word(word: &str) -> Expression {
    Expression::new(word, json!(word))
}

pub(super) fn interface(name: &str) -> Expression {
    Expression::new(format!("\"{name}\""), json!(name))
}

pub(super) fn number(number: impl Into<u64>) -> Expression {
    let number = number.into();
    Expression::new(number.to_string(), json!(number))
}

pub(super) fn address(address: impl Into<IpAddr>) -> Expression {
    let address = address.into();
    Expression::new(address.to_string(), json!(address.to_string()))
}

pub(super) fn mac(bytes: [u8; 6]) -> Expression {
    let text = bytes.map(|byte| format!("{byte:02x}")).join(":");
    Expression::new(text.clone(), json!(text))
}

pub(super) fn block(block: &Cidr) -> Expression {
    let whole = if block.address().is_ipv4() { 32 } else { 128 };
    if block.prefix() == whole {
        return address(block.address());
    }
    Expression::new(
        block.to_string(),
        json!({"prefix": {"addr": block.address().to_string(), "len": block.prefix()}}),
    )
}

/// One of them.
pub(super) fn any(of: &[Expression]) -> Expression {
    if let [only] = of {
        return only.clone();
    }
    let texts: Vec<_> = of.iter().map(|one| one.text.as_str()).collect();
    let values: Vec<_> = of.iter().map(|one| one.json.clone()).collect();
    Expression::new(format!("{{ {} }}", texts.join(", ")), json!({"set": values}))
}

pub(super) fn set(name: &str) -> Expression {
    let text = format!("@{name}");
    Expression::new(text.clone(), json!(text))
}

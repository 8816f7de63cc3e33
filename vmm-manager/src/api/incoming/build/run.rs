//! What RUN steps run in.

use std::net::IpAddr;

use super::text::{at_most, once, shown};
use crate::{
    api::field::InvalidField,
    job::{Entitlement, RunNetwork, Ulimit},
};

const MOST_HOSTS: usize = 128;
const MOST_HOST_BYTES: usize = 253;
/// As docker knows them.
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

pub(super) fn network(text: &str) -> Result<RunNetwork, InvalidField> {
    match text {
        "" | "default" | "host" => Ok(RunNetwork::Host),
        "none" => Ok(RunNetwork::None),
        _ => {
            let problem = format!("{} is none of: host, none", shown(text));
            Err(InvalidField::new("spec.build.network", problem))
        }
    }
}

pub(super) fn shm(asked: u64, memory_bytes: u64) -> Result<Option<u64>, InvalidField> {
    if asked > memory_bytes {
        let problem = format!("{asked} is above `spec.memory_bytes`, of which it is a part");
        return Err(InvalidField::new("spec.build.shm_bytes", problem));
    }
    Ok(Some(asked).filter(|bytes| *bytes > 0))
}

/// `HOST:IP`, `HOST=IP`; an IPv6 address may stand in brackets.
pub(super) fn hosts(wire: &[String]) -> Result<Vec<(String, IpAddr)>, InvalidField> {
    let at = "spec.build.add_hosts";
    at_most(at, wire.len(), MOST_HOSTS)?;
    let mut hosts = Vec::with_capacity(wire.len());
    for (index, text) in wire.iter().enumerate() {
        let field = format!("{at}[{index}]");
        let host = host(text)
            .map_err(|problem| InvalidField::new(&field, format!("{} {problem}", shown(text))))?;
        once(&field, &host, &hosts)?;
        hosts.push(host);
    }
    Ok(hosts)
}

fn host(text: &str) -> Result<(String, IpAddr), &'static str> {
    let (name, address) = text.split_once([':', '=']).ok_or("is not HOST:IP")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let well_formed = (1..=MOST_HOST_BYTES).contains(&name.len()) && name.bytes().all(allowed);
    if !well_formed || name.starts_with(['-', '.']) {
        return Err("begins with no name of a host");
    }
    if address == "host-gateway" {
        return Err("means docker's host, and a guest has no way to its own; name an address");
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(address).parse().map_err(|_| "ends with no address")?;
    Ok((name.to_owned(), address))
}

/// `NAME=SOFT[:HARD]`; -1 is no limit.
pub(super) fn ulimits(wire: &[String]) -> Result<Vec<Ulimit>, InvalidField> {
    let at = "spec.build.ulimits";
    at_most(at, wire.len(), ULIMITS.len())?;
    let mut names = Vec::new();
    let mut ulimits = Vec::with_capacity(wire.len());
    for (index, text) in wire.iter().enumerate() {
        let field = format!("{at}[{index}]");
        let ulimit = ulimit(text)
            .map_err(|problem| InvalidField::new(&field, format!("{} {problem}", shown(text))))?;
        once(&field, &ulimit.name, &names)?;
        names.push(ulimit.name.clone());
        ulimits.push(ulimit);
    }
    Ok(ulimits)
}

fn ulimit(text: &str) -> Result<Ulimit, String> {
    let (name, limits) = text.split_once('=').ok_or("is not NAME=SOFT[:HARD]")?;
    if !ULIMITS.contains(&name) {
        return Err(format!("limits none of: {}", ULIMITS.join(", ")));
    }
    let (soft, hard) = match limits.split_once(':') {
        Some((soft, hard)) => (soft, hard),
        None => (limits, limits),
    };
    let number = |text: &str| text.parse().ok().filter(|number: &i64| *number >= -1);
    let (Some(soft), Some(hard)) = (number(soft), number(hard)) else {
        return Err("has no numbers behind `=`; -1 is no limit".to_owned());
    };
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err("has a soft limit above the hard one".to_owned());
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

pub(super) fn entitlements(wire: &[String]) -> Result<Vec<Entitlement>, InvalidField> {
    let at = "spec.build.allow";
    let mut allowed = Vec::new();
    for (index, text) in wire.iter().enumerate() {
        let field = format!("{at}[{index}]");
        let entitlement = match text.as_str() {
            "network.host" => Entitlement::NetworkHost,
            "security.insecure" => Entitlement::SecurityInsecure,
            _ => {
                let problem =
                    format!("{} is none of: network.host, security.insecure", shown(text));
                return Err(InvalidField::new(field, problem));
            }
        };
        once(&field, &entitlement, &allowed)?;
        allowed.push(entitlement);
    }
    Ok(allowed)
}

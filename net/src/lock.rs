//! `kiln-egress.lock`: what a job reached, one rule a line, so that it can be kept under version
//! control and allowed again, and nothing else.
//!
//! ```text
//! # kiln-egress.lock version 1
//! # What a job reached …
//! one.test:443/tls
//! two.test:22/tcp
//! ```
//! Sorted by name, port and protocol, each written out: the same network gives the same bytes, and a
//! new name one line of difference.

mod diff;
mod read;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

pub use self::{
    diff::{Diff, Needed},
    read::{InvalidLock, MAX_BYTES},
};
use crate::{
    name::Name,
    policy::{MAX_RULES, Pattern, Policy, Protocol, Rule},
    record::Transport,
};

pub const FILE_NAME: &str = "kiln-egress.lock";
const HEADER: &str = "# kiln-egress.lock version ";
const VERSION: &str = "1";
const EXPLANATION: &str = "\
# What a job reached over the network, as `kiln run --egress record` saw it.
# `kiln run --egress locked` allows this and nothing else. Keep it under version control.
";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    rules: BTreeMap<Line, Rule>,
    /// What no rule can name; written as comments, and forgotten when they are read.
    remarks: BTreeSet<String>,
}

/// A place in the file: suffixes stand beside the names that they end.
type Line = (String, u16, Protocol);

/// Where something went, as a record tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub name: Option<Name>,
    pub address: IpAddr,
    pub port: u16,
    pub transport: Transport,
    pub protocol: Option<Protocol>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job reached more than {MAX_RULES} places, and no policy has so many rules")]
pub struct TooMany;

impl Lock {
    pub fn of(destinations: impl IntoIterator<Item = Destination>) -> Result<Self, TooMany> {
        let mut lock = Self::default();
        for destination in destinations {
            match destination.rule() {
                Some(rule) => lock.insert(rule),
                None => drop(lock.remarks.insert(destination.to_string())),
            }
            if lock.rules.len() > MAX_RULES {
                return Err(TooMany);
            }
        }
        Ok(lock)
    }

    /// One that allows nothing is one that reaches nothing.
    pub fn policy(&self) -> Policy {
        if self.rules.is_empty() {
            return Policy::None;
        }
        let rules: BTreeSet<_> = self.rules.values().cloned().collect();
        Policy::Allow(rules.into_iter().collect())
    }

    /// What a job reached that no rule can name.
    pub fn remarks(&self) -> impl Iterator<Item = &str> {
        self.remarks.iter().map(String::as_str)
    }

    fn insert(&mut self, rule: Rule) {
        self.rules.insert(line(&rule), rule);
    }
}

fn line(rule: &Rule) -> Line {
    let Rule { pattern, port, protocol } = rule;
    (pattern.to_string(), *port, *protocol)
}

impl Destination {
    /// That allows it; none of what has no name or no port, or is shut.
    pub fn rule(&self) -> Option<Rule> {
        let Self { name, address: _, port, transport, protocol } = self;
        let protocol = match (protocol, transport) {
            (Some(protocol), _) => *protocol,
            (None, Transport::Tcp) => Protocol::Tcp,
            (None, Transport::Udp) => Protocol::Udp,
            (None, Transport::Icmp | Transport::Other) => return None,
        };
        let pattern = Pattern::Exact(name.clone()?);
        let can_be = *port > 0 && !protocol.is_shut_at(*port);
        can_be.then_some(Rule { pattern, port: *port, protocol })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, address, port, transport, protocol: _ } = self;
        if let Some(name) = name {
            write!(formatter, "{name} at ")?;
        }
        match address {
            _ if *port == 0 => write!(formatter, "{address}")?,
            IpAddr::V4(_) => write!(formatter, "{address}:{port}")?,
            IpAddr::V6(_) => write!(formatter, "[{address}]:{port}")?,
        }
        write!(formatter, " {}", transport.name())
    }
}

/// The file.
impl fmt::Display for Lock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{HEADER}{VERSION}")?;
        formatter.write_str(EXPLANATION)?;
        for (pattern, port, protocol) in self.rules.keys() {
            writeln!(formatter, "{pattern}:{port}/{protocol}")?;
        }
        for remark in &self.remarks {
            writeln!(formatter, "# reached without a rule that could name it: {remark}")?;
        }
        Ok(())
    }
}

//! One thing that is allowed: `NAME[:PORT][/PROTOCOL]`.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Pattern;
use crate::{name::InvalidName, record::Transport};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    pub pattern: Pattern,
    pub port: u16,
    pub protocol: Protocol,
}

/// How the gateway looks at a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// A `ClientHello` has to name the host. What a port is without another word.
    Tls,
    /// Each request's first line or `Host` has to; port 80 without another word.
    Http,
    /// The address alone decides: whatever shares it with the host is reached too.
    Tcp,
    /// Likewise.
    Udp,
}

const DEFAULT_PORT: u16 = 443;
/// Longer than any rule can be.
const MAX_SHOWN: usize = 300;

/// What is wrong with a rule, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    #[error("it is empty; write NAME[:PORT][/PROTOCOL], like one.test:443")]
    Empty,
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error("{0} is an address, and what an address stands for changes; name the host")]
    Address(IpAddr),
    #[error("{0:?} is a URL; write its host and port alone, like one.test:443")]
    Url(String),
    #[error("{0:?} is no port: 1 to 65535")]
    Port(String),
    #[error("{0:?} is no protocol; write /tls, /http, /tcp or /udp")]
    Protocol(String),
    #[error(
        "port {port} over {} is shut wherever names decide: it goes around the gateway's own resolver, \
         or cannot be looked into; leave it out, and clients do without",
        .transport.name()
    )]
    Shut { port: u16, transport: Transport },
    #[error("* alone is everything; write `record` for every name, or `internet`")]
    Everything,
    #[error("in {0:?} the star is not the whole first label; write *.NAME for what ends in NAME")]
    Star(String),
}

impl InvalidRule {
    pub(super) fn star(text: &str) -> Self {
        Self::Star(shown(text))
    }
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

impl Rule {
    /// Whether it lets through whatever `other` does.
    pub fn covers(&self, other: &Self) -> bool {
        self.pattern.covers(&other.pattern)
            && self.port == other.port
            && self.protocol.covers(other.protocol)
    }
}

impl Protocol {
    /// A rule that looks at nothing lets through what one that looks would.
    pub fn covers(self, other: Self) -> bool {
        self == other || (self == Self::Tcp && other.transport() == Transport::Tcp)
    }

    /// Whether no rule can open it: DNS and DNS over TLS of others, and QUIC.
    pub fn is_shut_at(self, port: u16) -> bool {
        match self.transport() {
            Transport::Udp => matches!(port, 53 | 443 | 853),
            Transport::Tcp | Transport::Icmp | Transport::Other => matches!(port, 53 | 853),
        }
    }

    pub fn transport(self) -> Transport {
        match self {
            Self::Tls | Self::Http | Self::Tcp => Transport::Tcp,
            Self::Udp => Transport::Udp,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// What a port is without another word.
    pub fn of_port(port: u16) -> Self {
        if port == 80 { Self::Http } else { Self::Tls }
    }
}

impl FromStr for Protocol {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        match text.to_ascii_lowercase().as_str() {
            "tls" => Ok(Self::Tls),
            "http" => Ok(Self::Http),
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => Err(InvalidRule::Protocol(shown(text))),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        if text.is_empty() {
            return Err(InvalidRule::Empty);
        }
        if text.contains("://") {
            return Err(InvalidRule::Url(shown(text)));
        }
        let (host, protocol) = match text.split_once('/') {
            Some((host, protocol)) => (host, Some(protocol)),
            None => (text, None),
        };
        if let Some(address) = address_in(host) {
            return Err(InvalidRule::Address(address));
        }
        let protocol = protocol.map(Protocol::from_str).transpose()?;
        let (pattern, port) = match host.rsplit_once(':') {
            Some((pattern, port)) => (pattern, self::port(port)?),
            None => (host, DEFAULT_PORT),
        };
        let pattern = pattern.parse()?;
        let protocol = protocol.unwrap_or(Protocol::of_port(port));
        if protocol.is_shut_at(port) {
            return Err(InvalidRule::Shut { port, transport: protocol.transport() });
        }
        Ok(Self { pattern, port, protocol })
    }
}

pub(super) fn port(text: &str) -> Result<u16, InvalidRule> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|&port| is_number && port > 0);
    port.ok_or_else(|| InvalidRule::Port(shown(text)))
}

/// With a port or without, in brackets or not.
fn address_in(host: &str) -> Option<IpAddr> {
    let bare = |text: &str| text.trim_matches(['[', ']']).parse().ok();
    bare(host).or_else(|| host.rsplit_once(':').and_then(|(host, _)| bare(host)))
}

/// The port always, the protocol where it is not the port's own.
impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pattern, port, protocol } = self;
        write!(formatter, "{pattern}:{port}")?;
        if *protocol == Protocol::of_port(*port) {
            return Ok(());
        }
        write!(formatter, "/{protocol}")
    }
}

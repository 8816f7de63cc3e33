//! What RUN steps have: hosts, network, limits, entitlements.

use std::{net::IpAddr, str::FromStr};

/// `HOST:IP`, as the wire has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddedHost(pub(crate) String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// What `--egress` allows.
    Host,
    None,
}

/// `NAME=SOFT[:HARD]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ulimit(pub(crate) String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entitlement {
    NetworkHost,
    SecurityInsecure,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidStep {
    #[error("write HOST:IP or HOST=IP")]
    NoHost,
    #[error("{address:?} is no IP address: write HOST:IP")]
    NoAddress { address: String },
    #[error("host-gateway is refused: a build's VM has no way to its host")]
    Gateway,
    #[error("write default, host (the same: all that --egress allows) or none")]
    UnknownNetwork,
    #[error("write NAME=SOFT[:HARD], with NAME one of {}", Ulimit::NAMES.join(", "))]
    UnknownUlimit,
    #[error("{value:?} is no limit: write whole numbers, or -1 for none")]
    NoLimit { value: String },
    #[error("the soft limit is above the hard one")]
    SoftAboveHard,
    #[error("{name} is refused: {reason}")]
    RefusedEntitlement { name: String, reason: &'static str },
    #[error("write network.host or security.insecure")]
    UnknownEntitlement,
}

impl FromStr for AddedHost {
    type Err = InvalidStep;

    fn from_str(text: &str) -> Result<Self, InvalidStep> {
        let split = text.split_once('=').or_else(|| text.split_once(':'));
        let (host, address) = split.ok_or(InvalidStep::NoHost)?;
        if host.is_empty() {
            return Err(InvalidStep::NoHost);
        }
        if address == "host-gateway" {
            return Err(InvalidStep::Gateway);
        }
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let parsed: Result<IpAddr, _> = bare.unwrap_or(address).parse();
        match parsed {
            Ok(address) => Ok(Self(format!("{host}:{address}"))),
            Err(_) => Err(InvalidStep::NoAddress { address: address.to_owned() }),
        }
    }
}

impl FromStr for Network {
    type Err = InvalidStep;

    fn from_str(text: &str) -> Result<Self, InvalidStep> {
        match text {
            "" | "default" | "host" => Ok(Self::Host),
            "none" => Ok(Self::None),
            _ => Err(InvalidStep::UnknownNetwork),
        }
    }
}

impl Network {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::None => "none",
        }
    }
}

impl Ulimit {
    const NAMES: [&'static str; 15] = [
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
}

impl FromStr for Ulimit {
    type Err = InvalidStep;

    fn from_str(text: &str) -> Result<Self, InvalidStep> {
        let (name, limits) = text.split_once('=').ok_or(InvalidStep::UnknownUlimit)?;
        if !Self::NAMES.contains(&name) {
            return Err(InvalidStep::UnknownUlimit);
        }
        let limit = |text: &str| match text.parse::<i64>() {
            Ok(limit) if limit >= -1 => Ok(limit),
            _ => Err(InvalidStep::NoLimit { value: text.to_owned() }),
        };
        let (soft, hard) = match limits.split_once(':') {
            Some((soft, hard)) => (limit(soft)?, limit(hard)?),
            None => (limit(limits)?, limit(limits)?),
        };
        if hard != -1 && (soft == -1 || soft > hard) {
            return Err(InvalidStep::SoftAboveHard);
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Entitlement {
    type Err = InvalidStep;

    fn from_str(text: &str) -> Result<Self, InvalidStep> {
        let refused =
            |reason| Err(InvalidStep::RefusedEntitlement { name: text.to_owned(), reason });
        match text {
            "network.host" => Ok(Self::NetworkHost),
            "security.insecure" => Ok(Self::SecurityInsecure),
            _ if text.starts_with("device") => {
                refused("a build's VM has no device of this machine")
            }
            _ if text.starts_with("fs.") || text == "fs" || text == "ssh" => {
                refused("what a build reads here is what its own flags name")
            }
            _ => Err(InvalidStep::UnknownEntitlement),
        }
    }
}

impl Entitlement {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NetworkHost => "network.host",
            Self::SecurityInsecure => "security.insecure",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse(), Ok(AddedHost(expected.to_owned())), "{text}");
        };
        check("a.test:192.0.2.1", "a.test:192.0.2.1");
        check("a.test=192.0.2.1", "a.test:192.0.2.1");
        check("a.test:2001:db8::1", "a.test:2001:db8::1");
        check("a.test=[2001:db8::1]", "a.test:2001:db8::1");
        let refuse = |text: &str, expected| assert_eq!(text.parse::<AddedHost>(), Err(expected));
        refuse("a.test", InvalidStep::NoHost);
        refuse(":192.0.2.1", InvalidStep::NoHost);
        refuse("a.test:host-gateway", InvalidStep::Gateway);
        refuse("a:b", InvalidStep::NoAddress { address: "b".to_owned() });
    }

    #[test]
    fn limits() {
        for text in ["nofile=1024", "nofile=1024:2048", "core=0:-1", "memlock=-1:-1", "core=-1"] {
            assert_eq!(text.parse(), Ok(Ulimit(text.to_owned())), "{text}");
        }
        let refuse = |text: &str, expected| assert_eq!(text.parse::<Ulimit>(), Err(expected));
        refuse("files=1", InvalidStep::UnknownUlimit);
        refuse("nofile", InvalidStep::UnknownUlimit);
        refuse("nofile=2:1", InvalidStep::SoftAboveHard);
        refuse("nofile=-1:1", InvalidStep::SoftAboveHard);
        refuse("nofile=many", InvalidStep::NoLimit { value: "many".to_owned() });
    }

    #[test]
    fn networks_and_entitlements() {
        assert_eq!("default".parse(), Ok(Network::Host));
        assert_eq!("none".parse(), Ok(Network::None));
        assert_eq!("bridge".parse::<Network>(), Err(InvalidStep::UnknownNetwork));
        assert_eq!("network.host".parse(), Ok(Entitlement::NetworkHost));
        assert_eq!("all".parse::<Entitlement>(), Err(InvalidStep::UnknownEntitlement));
        let told = "fs.read=/".parse::<Entitlement>().unwrap_err().to_string();
        assert!(told.contains("fs.read=/ is refused"), "{told}");
    }
}

//! What happened on a machine's network.

mod journal;
mod merge;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, time::SystemTime};

use serde::{Deserialize, Serialize};

pub use self::{
    journal::Journal,
    merge::{MAX_FLOWS, MAX_REFUSALS},
};
use crate::{name::Name, policy::Protocol};

/// Lists are bounded; what was over the bound is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressRecord {
    pub flows: Vec<Flow>,
    pub refusals: Vec<Refusal>,
    /// Not listed.
    pub more_flows: u64,
    pub more_refusals: u64,
    /// Frames with another's address, or that no honest guest sends: dropped.
    #[serde(default)]
    pub forged_frames: u64,
    /// Packets over the limits of bandwidth, packets or connections: dropped.
    #[serde(default)]
    pub limited_packets: u64,
    /// A part of it was lost, and why: a gateway that was killed, a daemon that was not there.
    pub incomplete: Option<String>,
}

/// Everything that went to one port of one address under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// As the resolver was asked for, or as the guest said itself in a `ClientHello`. None where the
    /// kernel alone saw it, and its address was given for several.
    pub name: Option<Name>,
    pub address: IpAddr,
    pub port: u16,
    pub transport: Transport,
    /// As the splice recognised it; none of what the kernel alone saw.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// 0 where nobody counted them: the kernel counts bytes alone.
    pub connections: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub first: SystemTime,
    pub last: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub what: Refused,
    pub reason: Reason,
    pub times: u64,
    pub first: Option<SystemTime>,
    pub last: Option<SystemTime>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// A question to the resolver. Escaped: it may be no [`Name`].
    Query {
        name: String,
        kind: String,
    },
    Connection {
        name: Option<String>,
        address: IpAddr,
        port: u16,
        transport: Transport,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    Tcp,
    Udp,
    Icmp,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No rule names it.
    NotAllowed,
    /// It is among what is always dropped: private, link-local, metadata, the host.
    Never,
    /// A public name was answered by an address that is always dropped.
    PrivateAnswer,
    /// TLS without a name, or with an encrypted one.
    NoServerName,
    /// The connection named another host than its address stands for.
    OtherServerName,
    /// What came is not what the rule's protocol says.
    NotTheProtocol,
    /// A kind of question that is not answered here.
    QueryKind,
    /// Over a limit.
    Limit,
    /// The host's resolver, or the other end, could not be reached.
    Unreachable,
    /// What came could not be read.
    Malformed,
}

impl Transport {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Other => "other",
        }
    }
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::Never => "never",
            Self::PrivateAnswer => "private_answer",
            Self::NoServerName => "no_server_name",
            Self::OtherServerName => "other_server_name",
            Self::NotTheProtocol => "not_the_protocol",
            Self::QueryKind => "query_kind",
            Self::Limit => "limit",
            Self::Unreachable => "unreachable",
            Self::Malformed => "malformed",
        }
    }
}

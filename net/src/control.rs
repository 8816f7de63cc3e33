//! What a gateway and its daemon say to each other: one line of JSON a message, over the unix
//! socket `gateway.sock` of the machine's directory, on which the gateway listens. It is not below
//! `run`, where the VMM makes sockets: a VMM that was taken over could put one of its own there.
//!
//! The daemon connects, and says `{"hello":{}}`; the newest such connection counts. The gateway asks
//! for what it can't do itself: a question to the host's resolver (relayed as bytes, which the
//! daemon does not read), an admission into the kernel's sets, a stream to an endpoint. While no
//! daemon is there, questions wait and then fail; connections that are admitted go on.
//! A stream to an endpoint is a connection of its own, that the daemon opens with
//! `{"stream":{"id":…}}`; all that follows that line are the stream's bytes. So is a connection of
//! the guest's to the host's registry: whose it is, the daemon knows by the socket alone.

use serde::{Deserialize, Serialize};

use crate::{
    plan::{Admission, GuestLink},
    policy::{Endpoint, Policy},
};

pub const SOCKET: &str = "gateway.sock";
/// A DNS message in base64, and room.
pub const MAX_LINE_BYTES: usize = 128 << 10;

/// First on every connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Opening {
    Hello {},
    Stream {
        id: u64,
    },
    /// Asks for the record of all that has happened to be written. Answered by the connection's end.
    Flush {},
}

/// The gateway's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// A DNS message, base64, for one of the host's resolvers, over UDP and on truncation TCP.
    Resolve { id: u64, message: String },
    /// Answered when the kernel has them.
    Admit { id: u64, admissions: Vec<Admission> },
    /// Answered by a new connection, or [`Tell::Failed`].
    Dial { id: u64, endpoint: Endpoint },
    /// A connection to the host's registry, answered as a dial is.
    Registry { id: u64 },
}

/// The daemon's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Tell {
    Resolved { id: u64, message: String },
    Admitted { id: u64 },
    Failed { id: u64, reason: String },
}

/// The file that a gateway is started with: `kiln-gateway CONFIG`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    pub policy: Policy,
    pub link: GuestLink,
    /// Those that this machine may have, of the operator's.
    pub endpoints: Vec<Endpoint>,
    /// Never answered and never dialled, beside [`crate::plan::NEVER`].
    pub never: Vec<crate::plan::Cidr>,
    /// At once.
    pub connections: u32,
    /// Whether the host's registry is there, at [`REGISTRY_PORT`].
    pub registry: bool,
    /// Appended to, one line of JSON ([`Event`]) each; bounded by `record_bytes`.
    pub record: std::path::PathBuf,
    pub record_bytes: u64,
}

/// The numbers under which a gateway finds its sockets, all listening already.
pub const CONTROL_FD: i32 = 100;
pub const DNS_UDP_FD: i32 = 101;
pub const DNS_TCP_FD: i32 = 102;
pub const SPLICE_FD: i32 = 103;
/// Where IPv6 is configured.
pub const DNS_UDP6_FD: i32 = 104;
pub const DNS_TCP6_FD: i32 = 105;
pub const SPLICE6_FD: i32 = 106;
pub const REGISTRY_FD: i32 = 107;
/// Where IPv6 is configured.
pub const REGISTRY6_FD: i32 = 108;

/// Of the gateway: where a guest finds the host's registry, whatever its policy.
pub const REGISTRY_PORT: u16 = 5000;
/// Under which the resolver tells the gateway's address, whatever the policy.
pub const REGISTRY_NAME: &str = "registry.kiln";

/// A line of a gateway's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The resolver gave `addresses` for `name`; so flows that only the kernel saw get their names.
    Answered {
        name: crate::name::Name,
        addresses: Vec<std::net::IpAddr>,
    },
    /// All connections through the splice to one port of one address under one name, as they are
    /// now: the newest of one `id` counts.
    Spliced {
        id: u64,
        flow: crate::record::Flow,
    },
    Refused(crate::record::Refusal),
    /// This many events had no room.
    Lost {
        flows: u64,
        refusals: u64,
    },
}

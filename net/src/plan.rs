//! What a machine's network is made of: resolved, so that nothing below decides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// In the VM's namespace.
pub const TAP: &str = "guest";
pub const UPLINK: &str = "uplink";
/// The same for every guest.
pub const GUEST_MAC: [u8; 6] = [0x02, 0x4b, 0x69, 0x6c, 0x6e, 0x02];
pub const GATEWAY_MAC: [u8; 6] = [0x02, 0x4b, 0x69, 0x6c, 0x6e, 0x01];
/// Of the gateway, at its own addresses.
pub const DNS_PORT: u16 = 53;
/// Where connections are redirected to; nothing is reached by asking for it.
pub const SPLICE_PORT: u16 = 15001;
/// What our rules give to what may be routed.
pub const MARK: u32 = 0x4b69_0000;
/// Its place among other marks.
pub const MARK_MASK: u32 = 0xffff_0000;

/// An address block: `203.0.113.0/24`. Its address has no host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address block, like 198.51.100.0/24")]
pub struct InvalidCidr(pub String);

impl Cidr {
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr(format!("{address}/{prefix}"));
        let masked = match address {
            IpAddr::V4(four) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(four.to_bits() & mask))
            }
            IpAddr::V6(six) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & mask))
            }
            _ => return Err(invalid()),
        };
        if masked == address { Ok(Self { address, prefix }) } else { Err(invalid()) }
    }

    pub fn address(&self) -> IpAddr {
        self.address
    }

    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let host = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        let prefix = self.prefix.min(host);
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(u32::from(32 - prefix)).unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(u32::from(128 - prefix)).unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

impl std::str::FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let invalid = || InvalidCidr(text.chars().take(64).collect());
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let address = address.parse().map_err(|_| invalid())?;
        Self::new(address, prefix.parse().map_err(|_| invalid())?)
    }
}

impl TryFrom<String> for Cidr {
    type Error = InvalidCidr;

    fn try_from(text: String) -> Result<Self, InvalidCidr> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

/// The two ends of the link between a guest and its gateway, which is the same for every guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestLink {
    pub guest: Ipv4Addr,
    pub gateway: Ipv4Addr,
    /// Both, where IPv6 is configured.
    pub six: Option<GuestLink6>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestLink6 {
    pub guest: Ipv6Addr,
    pub gateway: Ipv6Addr,
}

/// What root allows every network of this daemon; given to the helper once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostNetwork {
    /// The home's id; tables are `kiln_INSTANCE`.
    pub instance: String,
    /// How the host's ends of our links begin: `k`, six characters of the instance, `-`.
    pub prefix: String,
    pub link: GuestLink,
    /// Whence uplinks get their addresses. A block of IPv6 turns IPv6 on.
    pub pools: Vec<Cidr>,
    /// Never reached, beside what is never reached anyway ([`NEVER`]).
    pub never: Vec<Cidr>,
    /// The widest that a job may have.
    pub ceiling: Reach,
    pub limits: Limits,
}

/// What the kernel lets through; names are the gateway's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    Closed,
    /// What has been admitted, for as long as it has: TCP by the splice, UDP directly.
    Admitted,
    Internet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// At once.
    pub connections: u32,
    pub new_connections_per_second: u32,
    pub packets_per_second: u32,
    /// In each direction.
    pub bytes_per_second: u64,
}

/// One machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub reach: Reach,
    pub limits: Limits,
}

/// What a machine's network has of the host: found in the kernel alone, and gone with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The host's end of the uplink; its alias is `kiln INSTANCE MACHINE`.
    pub interface: String,
    pub address: Ipv4Addr,
    pub address6: Option<Ipv6Addr>,
}

/// One element of what is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    pub address: IpAddr,
    pub transport: crate::record::Transport,
    pub port: u16,
    pub seconds: u32,
}

/// Always dropped: this host and link, private and shared ranges, metadata (which is link-local),
/// multicast and what has no use. The documentation's own ranges are not among them: nothing on the
/// internet has them, and tests do.
pub const NEVER: [&str; 24] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
    "5f00::/16",
];

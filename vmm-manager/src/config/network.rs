//! What networks of guests are made of on this host.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use clap::Args;
use kiln_net::plan::{Cidr, DNS_PORT, GuestLink, GuestLink6, HostNetwork, Limits, Reach};

const DEFAULT_POOL: &str = "198.18.0.0/16";
const RESOLVERS: &str = "/etc/resolv.conf";
/// Fewer leave no address beside the block's first and last; more have no numbers.
const POOL_PREFIXES: std::ops::RangeInclusive<u8> = 8..=30;
const LINK_PREFIX: u8 = 30;
const LINK6_PREFIX: u8 = 126;
/// The home's id has at least as many.
const PREFIX_CHARACTERS: usize = 6;

/// The raw input.
#[derive(Clone, Debug, Args)]
pub struct NetworkFlags {
    /// Gives no guest a network: jobs that ask for one are refused, and nothing of the host's
    /// networks is touched.
    #[arg(long, env = "KILN_NO_NETWORK")]
    pub no_network: bool,

    /// Where guests' addresses on this host come from, one each; nothing outside sees them. Nobody
    /// else's addresses. A block of IPv6 lets guests have IPv6 [default: 198.18.0.0/16].
    #[arg(long, env = "KILN_GUEST_POOL", value_name = "CIDR", value_delimiter = ',')]
    pub guest_pool: Vec<Cidr>,

    /// The link between a guest and its gateway, the same in every guest: its gateway has the first
    /// address, the guest the second.
    #[arg(long, env = "KILN_GUEST_LINK", value_name = "CIDR", default_value = "198.19.255.252/30")]
    pub guest_link: Cidr,

    /// The same for IPv6, where the pool has any.
    #[arg(
        long,
        env = "KILN_GUEST_LINK6",
        value_name = "CIDR",
        default_value = "fd4b:696c:6e::/126"
    )]
    pub guest_link6: Cidr,

    /// Who answers guests' questions for names, where a job's policy lets them be asked [default:
    /// those of /etc/resolv.conf].
    #[arg(long, env = "KILN_DNS", value_name = "ADDRESS[:PORT]", value_delimiter = ',')]
    pub dns: Vec<ResolverFlag>,

    /// What no guest reaches, whatever its policy, beside private, link-local and other special
    /// addresses, which none ever does.
    #[arg(long, env = "KILN_NEVER", value_name = "CIDR", value_delimiter = ',')]
    pub never: Vec<Cidr>,

    /// The most that one guest's network may have: `connections` at once, or `new-connections`,
    /// `packets` or `kibibytes` (in each direction) a second. Once for each.
    #[arg(
        long = "network-limit",
        env = "KILN_NETWORK_LIMITS",
        value_name = "WHAT=N",
        value_delimiter = ','
    )]
    pub network_limits: Vec<NetworkLimitFlag>,
}

/// `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolverFlag(pub SocketAddr);

/// `connections=1024`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkLimitFlag {
    pub what: Limited,
    pub most: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    Connections,
    NewConnections,
    Packets,
    Kibibytes,
}

/// What nobody checks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    pub link: GuestLink,
    pub pools: Vec<Cidr>,
    pub never: Vec<Cidr>,
    pub limits: Limits,
    pub resolvers: Resolvers,
}

/// Whom the host asks for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolvers {
    Named(Vec<SocketAddr>),
    /// Whoever is in `/etc/resolv.conf` when he is asked.
    System,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    #[error("--guest-pool {0} must be between a /8 and a /30")]
    PoolSize(Cidr),
    #[error("--guest-pool {six} has fewer addresses than {four}: every guest gets one of each")]
    Pool6Size { six: Cidr, four: Cidr },
    #[error("--guest-pool has no block of IPv4")]
    NoPool,
    #[error("--guest-pool has more than one block of IPv6")]
    Pools6,
    #[error("{one} and {other} overlap: blocks of --guest-pool and --guest-link must be apart")]
    Overlap { one: Cidr, other: Cidr },
    #[error("{0} is no block that a guest can have: it is loopback, multicast or unspecified")]
    Special(Cidr),
    #[error("--guest-link {0} must be a /30 of IPv4, as 198.19.255.252/30 is")]
    Link(Cidr),
    #[error("--guest-link6 {0} must be a /126 of IPv6, as fd4b:696c:6e::/126 is")]
    Link6(Cidr),
}

impl NetworkConfig {
    /// `None` where guests are to have none.
    pub fn resolve(flags: NetworkFlags) -> Result<Option<Self>, InvalidNetwork> {
        let NetworkFlags {
            no_network,
            guest_pool,
            guest_link,
            guest_link6,
            dns,
            never,
            network_limits,
        } = flags;
        if no_network {
            return Ok(None);
        }
        let pools = match guest_pool {
            none if none.is_empty() => DEFAULT_POOL.parse().into_iter().collect(),
            pools => pools,
        };
        let has_six = check_pools(&pools)?;
        let mut link = link(guest_link)?;
        let six = link6(guest_link6)?;
        if has_six {
            link.six = Some(six);
        }
        apart(pools.iter().chain([&guest_link, &guest_link6]))?;
        let resolvers = match dns {
            none if none.is_empty() => Resolvers::System,
            some => {
                Resolvers::Named(some.into_iter().map(|ResolverFlag(address)| address).collect())
            }
        };
        let limits = network_limits.into_iter().fold(DEFAULT_LIMITS, with_limit);
        Ok(Some(Self { link, pools, never, limits, resolvers }))
    }

    /// For the daemon of this home.
    pub fn of_home(&self, instance: &str, ceiling: Reach) -> HostNetwork {
        let start = instance.len().saturating_sub(PREFIX_CHARACTERS);
        HostNetwork {
            instance: instance.to_owned(),
            prefix: format!("k{}-", instance.get(start..).unwrap_or(instance)),
            link: self.link,
            pools: self.pools.clone(),
            never: self.never.clone(),
            ceiling,
            limits: self.limits,
        }
    }
}

const DEFAULT_LIMITS: Limits = Limits {
    connections: 2048,
    new_connections_per_second: 512,
    packets_per_second: 200_000,
    bytes_per_second: 128 << 20,
};

fn with_limit(mut limits: Limits, NetworkLimitFlag { what, most }: NetworkLimitFlag) -> Limits {
    match what {
        Limited::Connections => limits.connections = most,
        Limited::NewConnections => limits.new_connections_per_second = most,
        Limited::Packets => limits.packets_per_second = most,
        Limited::Kibibytes => limits.bytes_per_second = u64::from(most) << 10,
    }
    limits
}

/// Whether there is one of IPv6 among them.
fn check_pools(pools: &[Cidr]) -> Result<bool, InvalidNetwork> {
    let (four, six): (Vec<&Cidr>, Vec<&Cidr>) =
        pools.iter().partition(|pool| pool.address().is_ipv4());
    if let Some(special) = pools.iter().find(|pool| is_special(**pool)) {
        return Err(InvalidNetwork::Special(*special));
    }
    if let Some(pool) = four.iter().find(|pool| !POOL_PREFIXES.contains(&pool.prefix())) {
        return Err(InvalidNetwork::PoolSize(**pool));
    }
    let widest = four.iter().min_by_key(|pool| pool.prefix()).ok_or(InvalidNetwork::NoPool)?;
    match *six {
        [] => Ok(false),
        // A number of the pool's fits into it; the last byte keeps clear of the block's own ends.
        [six] if u32::from(six.prefix()) + 40 - u32::from(widest.prefix()) <= 128 => Ok(true),
        [six] => Err(InvalidNetwork::Pool6Size { six: *six, four: **widest }),
        _ => Err(InvalidNetwork::Pools6),
    }
}

fn is_special(pool: Cidr) -> bool {
    let special = [
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/3",
        "::/16",
        "ff00::/8",
        "fe80::/10",
    ];
    special.iter().filter_map(|block| block.parse().ok()).any(|block| pool.overlaps(&block))
}

fn apart<'a>(blocks: impl Iterator<Item = &'a Cidr>) -> Result<(), InvalidNetwork> {
    let mut seen: Vec<&Cidr> = Vec::new();
    for block in blocks {
        if let Some(other) = seen.iter().find(|other| other.overlaps(block)) {
            return Err(InvalidNetwork::Overlap { one: *block, other: **other });
        }
        seen.push(block);
    }
    Ok(())
}

fn link(block: Cidr) -> Result<GuestLink, InvalidNetwork> {
    match block.address() {
        IpAddr::V4(first) if block.prefix() == LINK_PREFIX && !is_special(block) => {
            let at = |offset| Ipv4Addr::from_bits(first.to_bits() + offset);
            Ok(GuestLink { gateway: at(1), guest: at(2), six: None })
        }
        _ => Err(InvalidNetwork::Link(block)),
    }
}

fn link6(block: Cidr) -> Result<GuestLink6, InvalidNetwork> {
    match block.address() {
        IpAddr::V6(first) if block.prefix() == LINK6_PREFIX && !is_special(block) => {
            let at = |offset| Ipv6Addr::from_bits(first.to_bits() + offset);
            Ok(GuestLink6 { gateway: at(1), guest: at(2) })
        }
        _ => Err(InvalidNetwork::Link6(block)),
    }
}

impl Resolvers {
    /// Whoever it is now.
    pub fn now(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Named(addresses) => Ok(addresses.clone()),
            Self::System => Ok(resolvers(&fs::read_to_string(RESOLVERS)?)),
        }
    }
}

fn resolvers(text: &str) -> Vec<SocketAddr> {
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next()).flatten()
    });
    let addresses = named.filter_map(|address| address.parse::<IpAddr>().ok());
    addresses.map(|address| SocketAddr::new(address, DNS_PORT)).collect()
}

impl FromStr for ResolverFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let alone = text.parse().map(|address: IpAddr| SocketAddr::new(address, DNS_PORT));
        let address = alone.or_else(|_| text.parse()).map_err(|_| "is no ADDRESS[:PORT]")?;
        if address.port() == 0 || address.ip().is_unspecified() || address.ip().is_multicast() {
            return Err("is nobody's address".to_owned());
        }
        Ok(Self(address))
    }
}

impl FromStr for NetworkLimitFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, most) = text.split_once('=').ok_or("is not WHAT=N")?;
        let what = match what {
            "connections" => Limited::Connections,
            "new-connections" => Limited::NewConnections,
            "packets" => Limited::Packets,
            "kibibytes" => Limited::Kibibytes,
            _ => {
                return Err(format!(
                    "{what:?} has no limit; connections, new-connections, packets and kibibytes have"
                ));
            }
        };
        match most.parse() {
            // The kernel counts the bytes of a second, and the half of that as a burst, in 32 bits.
            Ok(most @ 1..=4_194_303) => Ok(Self { what, most }),
            Ok(_) | Err(_) => Err(format!("{most:?} is no number from 1 to 4194303")),
        }
    }
}

#[cfg(test)]
mod tests;

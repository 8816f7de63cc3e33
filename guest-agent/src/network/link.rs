//! What a link is to be, as the host says it, and what the kernel is asked for to have it so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kiln_proto::agent::v1;

use super::message::{Message, Wanted};

/// As IPv4 and IPv6 require.
const MIN_MTU: u32 = 576;
const MIN_MTU6: u32 = 1280;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) mac: [u8; 6],
    pub(crate) gateway_mac: Option<[u8; 6]>,
    pub(crate) mtu: u32,
    pub(crate) ipv4: Link<Ipv4Addr>,
    pub(crate) ipv6: Option<Link<Ipv6Addr>>,
}

/// In one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link<A> {
    pub(crate) address: A,
    pub(crate) prefix: u8,
    pub(crate) gateway: A,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network's {field} is {problem}")]
pub(crate) struct InvalidNetwork {
    field: &'static str,
    problem: &'static str,
}

impl TryFrom<v1::Network> for Network {
    type Error = InvalidNetwork;

    fn try_from(network: v1::Network) -> Result<Self, InvalidNetwork> {
        let v1::Network { mac, gateway_mac, mtu, ipv4, ipv6, registry: _ } = network;
        let invalid = |field, problem| InvalidNetwork { field, problem };
        let ipv4 = ipv4.ok_or_else(|| invalid("ipv4", "missing"))?;
        let least = if ipv6.is_some() { MIN_MTU6 } else { MIN_MTU };
        if !(least..=u32::from(u16::MAX)).contains(&mtu) {
            return Err(invalid("mtu", "not 576 (with IPv6 1280) to 65535"));
        }
        let gateway_mac =
            if gateway_mac.is_empty() { None } else { Some(exactly("gateway_mac", &gateway_mac)?) };
        let ipv6 = ipv6.map(|six| link::<Ipv6Addr, 16>("ipv6", six)).transpose()?;
        let ipv4 = link::<Ipv4Addr, 4>("ipv4", ipv4)?;
        Ok(Self { mac: exactly("mac", &mac)?, gateway_mac, mtu, ipv4, ipv6 })
    }
}

fn link<A: From<[u8; BYTES]>, const BYTES: usize>(
    field: &'static str,
    wire: v1::NetworkAddress,
) -> Result<Link<A>, InvalidNetwork> {
    let v1::NetworkAddress { address, prefix, gateway } = wire;
    let (address, gateway) = (exactly(field, &address)?, exactly(field, &gateway)?);
    let prefix = u8::try_from(prefix).ok().filter(|prefix| usize::from(*prefix) <= 8 * BYTES);
    let prefix = prefix.ok_or(InvalidNetwork { field, problem: "no prefix of its family" })?;
    if address == gateway || !same_block(&address, &gateway, prefix) {
        return Err(InvalidNetwork { field, problem: "not in one block with its gateway" });
    }
    Ok(Link { address: address.into(), prefix, gateway: gateway.into() })
}

fn exactly<const BYTES: usize>(
    field: &'static str,
    bytes: &[u8],
) -> Result<[u8; BYTES], InvalidNetwork> {
    bytes.try_into().map_err(|_| InvalidNetwork { field, problem: "of another length" })
}

fn same_block(one: &[u8], other: &[u8], prefix: u8) -> bool {
    let bits = |bytes: &[u8], bit: u8| bytes[usize::from(bit / 8)] >> (7 - bit % 8) & 1;
    (0..prefix).all(|bit| bits(one, bit) == bits(other, bit))
}

/// In their order, each with what it sets.
pub(super) fn requests(network: &Network, device: u32) -> Vec<(&'static str, Message)> {
    let Network { mac: _, gateway_mac, mtu, ipv4, ipv6 } = *network;
    let mut families = vec![(IpAddr::from(ipv4.address), ipv4.prefix, IpAddr::from(ipv4.gateway))];
    families.extend(ipv6.map(|six| (six.address.into(), six.prefix, six.gateway.into())));
    let mut wanted = vec![("the link", Wanted::Up { mtu })];
    for (address, prefix, gateway) in families {
        wanted.push(("the address", Wanted::Address { address, prefix }));
        if let Some(mac) = gateway_mac {
            wanted.push(("the gateway's address", Wanted::Neighbour { address: gateway, mac }));
        }
        wanted.push(("the default route", Wanted::DefaultRoute { gateway }));
    }
    wanted.into_iter().map(|(what, wanted)| (what, wanted.message(device))).collect()
}

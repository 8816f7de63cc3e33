//! What a guest is told of its network.

use std::net::{Ipv4Addr, Ipv6Addr};

use kiln_net::{
    control::{REGISTRY_NAME, REGISTRY_PORT},
    plan::{GATEWAY_MAC, GUEST_MAC, GuestLink},
};
use kiln_proto::agent::v1;

/// The two ends of the link, and the two addresses that are neither.
const PREFIX: u8 = 30;
const PREFIX6: u8 = 126;
/// Of Ethernet, and of every link beyond.
const MTU: u16 = 1500;

/// One device and the gateway behind it, which is the guest's resolver too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestNetwork {
    /// By which the guest finds its device.
    pub mac: [u8; 6],
    pub gateway_mac: [u8; 6],
    pub mtu: u16,
    pub ipv4: LinkAddress<Ipv4Addr>,
    pub ipv6: Option<LinkAddress<Ipv6Addr>>,
    /// Whether the host's registry is at the gateway.
    pub registry: bool,
}

/// In one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkAddress<A> {
    pub address: A,
    pub prefix: u8,
    pub gateway: A,
}

impl From<GuestLink> for GuestNetwork {
    fn from(link: GuestLink) -> Self {
        let GuestLink { guest, gateway, six } = link;
        Self {
            mac: GUEST_MAC,
            gateway_mac: GATEWAY_MAC,
            mtu: MTU,
            ipv4: LinkAddress { address: guest, prefix: PREFIX, gateway },
            ipv6: six.map(|six| LinkAddress {
                address: six.guest,
                prefix: PREFIX6,
                gateway: six.gateway,
            }),
            registry: true,
        }
    }
}

impl From<GuestNetwork> for v1::Network {
    fn from(network: GuestNetwork) -> Self {
        let GuestNetwork { mac, gateway_mac, mtu, ipv4, ipv6, registry } = network;
        let four = |LinkAddress { address, prefix, gateway }: LinkAddress<Ipv4Addr>| {
            wire(address.octets(), prefix, gateway.octets())
        };
        let six = |LinkAddress { address, prefix, gateway }: LinkAddress<Ipv6Addr>| {
            wire(address.octets(), prefix, gateway.octets())
        };
        Self {
            mac: mac.to_vec().into(),
            gateway_mac: gateway_mac.to_vec().into(),
            mtu: mtu.into(),
            ipv4: Some(four(ipv4)),
            ipv6: ipv6.map(six),
            registry: if registry {
                format!("{REGISTRY_NAME}:{REGISTRY_PORT}")
            } else {
                String::new()
            },
        }
    }
}

fn wire<const BYTES: usize>(
    address: [u8; BYTES],
    prefix: u8,
    gateway: [u8; BYTES],
) -> v1::NetworkAddress {
    v1::NetworkAddress {
        address: address.to_vec().into(),
        prefix: prefix.into(),
        gateway: gateway.to_vec().into(),
    }
}

#[cfg(test)]
mod tests {
    use kiln_net::plan::GuestLink6;

    use super::*;

    #[test]
    fn a_guest_is_told_both_ends_of_its_link() {
        let six = GuestLink6 {
            guest: "2001:db8::2".parse().unwrap(),
            gateway: "2001:db8::1".parse().unwrap(),
        };
        let (guest, gateway) = ([192, 0, 2, 2].into(), [192, 0, 2, 1].into());
        let told = |six| v1::Network::from(GuestNetwork::from(GuestLink { guest, gateway, six }));
        let network = told(Some(six));
        assert_eq!((&*network.mac, network.mtu), (&GUEST_MAC[..], 1500));
        assert_eq!(network.gateway_mac, GATEWAY_MAC[..]);
        let four = network.ipv4.clone().unwrap();
        assert_eq!((&*four.address, four.prefix), (&[192, 0, 2, 2][..], 30));
        assert_eq!(four.gateway, [192, 0, 2, 1][..]);
        let six = network.ipv6.unwrap();
        assert_eq!((&*six.address, six.prefix), (&six_octets(2)[..], 126));
        assert_eq!(six.gateway, six_octets(1)[..]);
        assert!(told(None).ipv6.is_none());
        assert_eq!(told(None).registry, "registry.kiln:5000");
    }

    fn six_octets(last: u8) -> [u8; 16] {
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        octets[15] = last;
        octets
    }
}

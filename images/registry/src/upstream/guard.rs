//! Which addresses may be dialled. What a name means is told by strangers, and so are redirects and
//! token servers: without this a guest could have the host ask its own network for it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// Beside what is never the internet's, the host's own.
#[derive(Clone)]
pub struct Guard(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

/// What an address may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reach {
    /// The internet's alone.
    Public,
    /// The operator says that this registry is in a private range.
    Private,
}

impl Guard {
    /// Asked of each address that is about to be dialled: may it be?
    pub fn new(admits: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(admits))
    }

    pub(super) fn admits(&self, address: IpAddr, reach: Reach) -> Result<(), &'static str> {
        meanings(address).into_iter().flatten().try_for_each(|meant| {
            // Nobody's registry, and where clouds keep their secrets.
            if is_nobodys(meant) {
                return Err("it is a link-local, multicast or unspecified address");
            }
            match reach {
                Reach::Public if !is_public(meant) => Err("it is a private address"),
                Reach::Public if !(self.0)(meant) => {
                    Err("it is an address of this host's own networks")
                }
                Reach::Private | Reach::Public => Ok(()),
            }
        })
    }
}

/// Refuses what is never the internet's, and nothing else.
impl Default for Guard {
    fn default() -> Self {
        Self::new(|_| true)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// What a packet to it may reach: itself, and the IPv4 address that it wraps.
fn meanings(address: IpAddr) -> [Option<IpAddr>; 2] {
    let IpAddr::V6(six) = address else { return [Some(address), None] };
    let inner = match six.segments() {
        // Unspecified, and loopback: no IPv4 in them.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Mapped to IPv4: nothing but it.
        [0, 0, 0, 0, 0, 0xffff, high, low] => return [Some(four(high, low)), None],
        // Compatible with IPv4, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, .., high, low] | [0x2002, high, low, ..] => {
            Some(four(high, low))
        }
        _ => None,
    };
    [Some(address), inner]
}

fn four(high: u16, low: u16) -> IpAddr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into()
}

fn is_nobodys(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            four.octets()[0] == 0 || four.is_link_local() || four.octets()[0] >= 224
        }
        IpAddr::V6(six) => {
            // Site-local addresses are given up, and the metadata service's of some clouds.
            six.is_unspecified()
                || six.is_unicast_link_local()
                || six.is_multicast()
                || within(six, 0xfec0, 10)
                || six == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
        }
    }
}

/// Documentation's ranges count as public: nobody has them.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let [a, b, c, _] = four.octets();
            let shared = a == 100 && b & 0xc0 == 64;
            let assigned = (a == 192 && b == 0 && c == 0) || (a == 192 && b == 88 && c == 99);
            let measured = a == 198 && b & 0xfe == 18;
            !(four.is_private() || four.is_loopback() || shared || assigned || measured)
        }
        IpAddr::V6(six) => {
            let segments = six.segments();
            let ours = within(six, 0xfc00, 7) || six.is_loopback();
            let translated = segments[..6] == [0; 6]
                || segments[..2] == [0x64, 0xff9b]
                || segments[..4] == [0x100, 0, 0, 0]
                || segments[..2] == [0x2001, 0]
                || segments[0] == 0x2002
                || segments[0] == 0x5f00;
            !(ours || translated)
        }
    }
}

fn within(six: Ipv6Addr, prefix: u16, bits: u32) -> bool {
    (six.segments()[0] ^ prefix) >> (16 - bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_internets_addresses_are_public() {
        let guard = Guard::default();
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "169.254.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.192",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::a00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
            "ff0e::1",
            "5f00::1",
        ] {
            let parsed = address.parse().unwrap();
            assert!(guard.admits(parsed, Reach::Public).is_err(), "{address}");
        }
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.2.1",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "203.0.113.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2001:db8::1",
            "2600::1",
            "2a00::1",
            "3fff::1",
        ] {
            let parsed = address.parse().unwrap();
            assert_eq!(guard.admits(parsed, Reach::Public), Ok(()), "{address}");
        }
    }

    #[test]
    fn a_private_registry_is_still_no_metadata_service() {
        let guard = Guard::new(|_| false);
        for address in ["10.0.0.1", "127.0.0.1", "192.168.1.1", "fd00::1", "::1", "::ffff:10.0.0.1"]
        {
            assert_eq!(guard.admits(address.parse().unwrap(), Reach::Private), Ok(()), "{address}");
        }
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::a9fe:a9fe",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(guard.admits(address.parse().unwrap(), Reach::Private).is_err(), "{address}");
        }
    }

    #[test]
    fn the_hosts_own_are_asked_of_the_host_as_what_they_mean() {
        let own: IpAddr = "203.0.113.7".parse().unwrap();
        let guard = Guard::new(move |address| address != own);
        for address in ["203.0.113.7", "::ffff:203.0.113.7"] {
            assert!(guard.admits(address.parse().unwrap(), Reach::Public).is_err(), "{address}");
        }
        assert_eq!(guard.admits("203.0.113.8".parse().unwrap(), Reach::Public), Ok(()));
    }
}

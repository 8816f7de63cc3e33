//! A machine's way out: a pair of links, one end on the host, the other in the machine's namespace.
//!
//! ```text
//! machine's namespace                    host
//! uplink, ADDRESS/32 ═════════ kXXXXXX-N, no address
//! default via ROUTER           ADDRESS/32 by it: this route is the lease
//! ```
//! Nobody asks for neighbours on it: both ends know the other one's. The route is the kernel's to
//! give, to one alone, and it goes with the link, which goes with the namespace.

use std::net::IpAddr;

use crate::{
    address::{Candidate, Pools},
    namespace::Namespace,
    netlink::{Mac, Netlink, NetlinkError, Route},
    plan::{HostNetwork, Lease, UPLINK},
    sysctl::{self, SysctlError},
};

/// The host's end, and the one in the namespace; the same for all, as each pair is alone.
const OUTER_MAC: Mac = [0x02, 0x4b, 0x69, 0x6c, 0x6e, 0x03];
const INNER_MAC: Mac = [0x02, 0x4b, 0x69, 0x6c, 0x6e, 0x04];
/// Others may take an address at the very moment, or have a link of the name; not so many do.
const ATTEMPTS: usize = 64;
/// Where what leaves by the uplink finds its way, and what comes from the guest does not.
pub(crate) const TABLE: u32 = 100;

/// Of the host's end: what is not answered, told or taken there.
const SWITCHES: [(&str, &str); 9] = [
    // What our rules have not translated has no way back by this link, and is dropped.
    ("rp_filter", "1"),
    // The way back is asked for with the mark: without it there is none by a guarded link.
    ("src_valid_mark", "1"),
    ("accept_redirects", "0"),
    ("send_redirects", "0"),
    ("accept_source_route", "0"),
    ("route_localnet", "0"),
    ("proxy_arp", "0"),
    ("arp_ignore", "8"),
    ("forwarding", "1"),
];
const SWITCHES6: [(&str, &str); 4] =
    [("accept_ra", "0"), ("autoconf", "0"), ("accept_redirects", "0"), ("force_forwarding", "1")];

#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    #[error(
        "each of the {count} addresses for guests is taken, by a guest of this or another daemon or by \
         a route of the host's; give a larger --guest-pool, or end some"
    )]
    NoAddress { count: u32 },
    #[error("the link {name} that was made is not there")]
    Gone { name: String },
}

/// In place on the host; the other end has no address yet and is not up.
#[derive(Debug)]
pub(crate) struct Uplink {
    pub(crate) lease: Lease,
    pub(crate) index: u32,
}

impl Uplink {
    /// Under the host's lock, in the host's namespace, which is `host`'s.
    pub(crate) fn make(
        network: &HostNetwork,
        pools: &mut Pools,
        host: &mut Netlink,
        namespace: &Namespace,
        alias: &str,
    ) -> Result<Self, UplinkError> {
        for _ in 0..ATTEMPTS {
            let covering = |address| {
                Ok::<_, NetlinkError>(host.covering(address)?.map(|route| route.destination))
            };
            let Some(candidate) = pools.free(covering)? else { break };
            if let Some(made) = Self::with(network, candidate, host, namespace, alias)? {
                return Ok(made);
            }
        }
        Err(UplinkError::NoAddress { count: pools.count() })
    }

    /// `None` if somebody else was there first: he keeps what he has.
    fn with(
        network: &HostNetwork,
        candidate: Candidate,
        host: &mut Netlink,
        namespace: &Namespace,
        alias: &str,
    ) -> Result<Option<Self>, UplinkError> {
        use std::os::fd::AsFd as _;

        let name = format!("{}{:x}", network.prefix, candidate.number);
        let made = host.make_pair((&name, OUTER_MAC), (UPLINK, INNER_MAC), namespace.as_fd());
        match made {
            Err(error) if error.errno() == libc::EEXIST => return Ok(None),
            other => other?,
        }
        let link = host.link(&name)?.ok_or_else(|| UplinkError::Gone { name: name.clone() })?;
        let Candidate { four, six, .. } = candidate;
        let lease = Lease { interface: name, address: four, address6: six };
        let uplink = Self { lease, index: link.index };
        match uplink.prepare(host, alias) {
            Ok(()) => Ok(Some(uplink)),
            Err(error) => {
                // It would go with the namespace too; so it goes at once.
                let _with_the_namespace = host.delete_link(uplink.index);
                match error {
                    UplinkError::Netlink(error) if error.errno() == libc::EEXIST => Ok(None),
                    other => Err(other),
                }
            }
        }
    }

    fn prepare(&self, host: &mut Netlink, alias: &str) -> Result<(), UplinkError> {
        let Lease { interface, address, address6 } = &self.lease;
        host.set_alias(self.index, alias)?;
        for (switch, value) in SWITCHES {
            sysctl::set(&format!("ipv4/conf/{interface}/{switch}"), value)?;
        }
        if address6.is_some() {
            host.set_no_generation(self.index)?;
            for (switch, value) in SWITCHES6 {
                sysctl::set_if_there(&format!("ipv6/conf/{interface}/{switch}"), value)?;
            }
        } else {
            sysctl::set_if_there(&format!("ipv6/conf/{interface}/disable_ipv6"), "1")?;
        }
        host.set_up(self.index)?;
        let six = address6.map(IpAddr::from);
        for address in [IpAddr::from(*address)].into_iter().chain(six) {
            host.add_route(&Route::to(address, self.index))?;
            host.add_neighbour(self.index, address, INNER_MAC)?;
        }
        Ok(())
    }
}

/// The other end, by `inside`, which is the namespace's. Nothing that comes from the guest has a
/// route by it yet.
pub(crate) fn connect(
    inside: &mut Netlink,
    lease: &Lease,
    pools: &Pools,
    network: &HostNetwork,
) -> Result<(), UplinkError> {
    let gone = || UplinkError::Gone { name: UPLINK.to_owned() };
    let link = inside.link(UPLINK)?.ok_or_else(gone)?.index;
    let (router, router6) = pools.routers().ok_or_else(gone)?;
    let mut ways = vec![(
        IpAddr::from(lease.address),
        IpAddr::from(router),
        IpAddr::from(network.link.gateway),
    )];
    if let (Some(address), Some(router), Some(six)) = (lease.address6, router6, &network.link.six) {
        ways.push((address.into(), router.into(), six.gateway.into()));
    }
    for (address, ..) in &ways {
        inside.add_address(link, *address, None)?;
    }
    inside.set_up(link)?;
    for (address, router, source) in ways {
        inside.add_neighbour(link, router, OUTER_MAC)?;
        inside.add_route(&Route {
            destination: everything(address),
            link,
            via: Some(router),
            source: Some(source),
            table: TABLE,
        })?;
    }
    Ok(())
}

fn everything(of: IpAddr) -> crate::plan::Cidr {
    let zero = if of.is_ipv4() { IpAddr::from([0_u8; 4]) } else { IpAddr::from([0_u8; 16]) };
    crate::plan::Cidr::new(zero, 0).unwrap_or_else(|_| unreachable!("it is a block"))
}

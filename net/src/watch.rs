//! What the host's own networks are, while they change: its addresses, which no machine may reach,
//! and routes that lead elsewhere with what the pools are.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    os::fd::{AsFd, BorrowedFd},
};

use crate::{
    netlink::{Address, Covering, Event, Events, Netlink, NetlinkError, PROTOCOL, RouteKind},
    plan::{Cidr, HostNetwork, NEVER},
};

/// Those of one namespace, as they were at the last look.
#[derive(Debug)]
pub struct Watch {
    events: Events,
    pools: Vec<Cidr>,
    /// The pools and the guests' link: no address of the host's own may be among them.
    ours: Vec<Cidr>,
    /// Nothing of a machine's ever goes there.
    never: Vec<Cidr>,
    addresses: BTreeSet<Address>,
    /// By which link what meets a pool goes.
    conflicts: BTreeMap<(String, u32), Option<u32>>,
    /// Links through which something leaves that machines may reach.
    outward: BTreeSet<u32>,
}

/// What a look has found to be otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    pub addresses: bool,
    pub conflicts: bool,
    /// Or perhaps whether all links forward, whoever said so.
    pub outward: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("the kernel's words on links could not be heard")]
    Events(#[source] io::Error),
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

impl Watch {
    /// Of the calling thread's namespace, which is also `netlink`'s.
    pub fn open(netlink: &mut Netlink, network: &HostNetwork) -> Result<Self, WatchError> {
        // First: what changes while all is looked at is told.
        let events = Events::open().map_err(WatchError::Events)?;
        let never = NEVER.iter().filter_map(|block| block.parse().ok());
        let link = &network.link;
        let four = Cidr::new(IpAddr::from(link.guest), 32).into_iter();
        let four = four.chain(Cidr::new(IpAddr::from(link.gateway), 32));
        let six = link.six.iter().flat_map(|six| [six.guest, six.gateway]);
        let six = six.filter_map(|address| Cidr::new(IpAddr::from(address), 128).ok());
        let mut watch = Self {
            events,
            pools: network.pools.clone(),
            ours: network.pools.iter().copied().chain(four).chain(six).collect(),
            never: never.chain(network.never.iter().copied()).collect(),
            addresses: BTreeSet::new(),
            conflicts: BTreeMap::new(),
            outward: BTreeSet::new(),
        };
        watch.look_at_all(netlink)?;
        Ok(watch)
    }

    /// At what has changed since the last look.
    pub fn look(&mut self, netlink: &mut Netlink) -> Result<Changed, WatchError> {
        let before = (self.addresses.clone(), self.conflicts.clone(), self.outward.clone());
        let events = self.events.drain().map_err(WatchError::Events)?;
        let mut router = false;
        for event in events {
            match event {
                Event::Address { address, is_there: true } => {
                    self.addresses.insert(address);
                }
                Event::Address { address, is_there: false } => {
                    self.addresses.remove(&address);
                }
                Event::Route { route, is_there } => self.route(route, is_there),
                Event::LinkDown { index } => {
                    if self.conflicts.values().any(|link| *link == Some(index)) {
                        self.look_at_all(netlink)?;
                    }
                }
                Event::Router => router = true,
                Event::Lost => {
                    router = true;
                    self.look_at_all(netlink)?;
                }
            }
        }
        Ok(Changed {
            addresses: before.0 != self.addresses,
            conflicts: before.1 != self.conflicts,
            outward: router || before.2 != self.outward,
        })
    }

    fn look_at_all(&mut self, netlink: &mut Netlink) -> Result<(), WatchError> {
        self.addresses = netlink.addresses()?.into_iter().collect();
        self.conflicts.clear();
        let mut routes = Vec::new();
        netlink.routes(|route| {
            if self.concerns_us(&route) {
                routes.push(route);
            }
        })?;
        for route in routes {
            self.route(route, true);
        }
        Ok(())
    }

    fn concerns_us(&self, route: &Covering) -> bool {
        route.protocol != PROTOCOL && (self.is_conflict(route) || self.is_outward(route))
    }

    fn is_conflict(&self, route: &Covering) -> bool {
        let block = &route.destination;
        block.prefix() > 1
            && matches!(route.kind, RouteKind::Unicast | RouteKind::Local)
            && self.pools.iter().any(|pool| pool.overlaps(block))
    }

    fn is_outward(&self, route: &Covering) -> bool {
        let block = &route.destination;
        let within = |never: &Cidr| never.prefix() <= block.prefix() && never.overlaps(block);
        route.kind == RouteKind::Unicast && !self.never.iter().any(within)
    }

    fn route(&mut self, route: Covering, is_there: bool) {
        if route.protocol == PROTOCOL {
            return;
        }
        if self.is_conflict(&route) {
            let key = (route.destination.to_string(), route.table);
            if is_there {
                self.conflicts.insert(key, route.link);
            } else {
                self.conflicts.remove(&key);
            }
        }
        // One that was is looked at once more by nobody: that its link forwards harms nothing.
        if is_there && self.is_outward(&route) {
            self.outward.extend(route.link);
        }
    }

    /// Of the host itself, on any link.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let all: BTreeSet<IpAddr> = self.addresses.iter().map(|address| address.address).collect();
        all.into_iter().collect()
    }

    /// One of the host's own that is among ours: with our rules nothing that it sends arrives.
    pub fn own_address(&self) -> Option<(IpAddr, Cidr)> {
        self.addresses().into_iter().find_map(|address| {
            self.ours.iter().find(|block| block.contains(address)).map(|block| (address, *block))
        })
    }

    /// Links that have to forward.
    pub fn outward(&self) -> impl Iterator<Item = u32> {
        self.outward.iter().copied()
    }

    /// In words for the host's operator.
    pub fn troubles(&self, mut name: impl FnMut(u32) -> Option<String>) -> Vec<String> {
        let own = self.own_address().map(|(address, block)| {
            format!(
                "the host's own address {address} is among guests' ({block}) and cannot be used: \
                 choose another --guest-pool or --guest-link"
            )
        });
        let covered = self.conflicts.iter().map(|((block, _), link)| {
            let link = link.and_then(&mut name).unwrap_or_else(|| "an unknown link".to_owned());
            format!(
                "the host has a route to {block} by {link}: no guest gets an address of it; choose \
                 another --guest-pool if it meets more than it leaves"
            )
        });
        own.into_iter().chain(covered.collect::<Vec<_>>()).collect()
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

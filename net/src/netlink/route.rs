//! Routes.

use std::net::IpAddr;

use super::{
    Netlink, NetlinkError, PROTOCOL,
    attribute::{attributes, family, family_number, ip, number, octets},
    message::{CREATE, DUMP, EXCLUSIVE, Message},
};
use crate::plan::Cidr;

const NEW: u16 = 24;
const DELETE: u16 = 25;
const GET: u16 = 26;
const DESTINATION: u16 = 1;
const OUTPUT: u16 = 4;
const GATEWAY: u16 = 5;
const SOURCE: u16 = 7;
const TABLE: u16 = 15;
const HEADER_BYTES: usize = 12;
pub(super) const MAIN: u32 = 254;
const MATCH: u32 = 0x2000;
const ON_LINK: u32 = 4;
const CACHED: u32 = 0x200;
const UNIVERSE: u8 = 0;
const LINK_SCOPE: u8 = 253;

/// One of ours: marked, exclusive.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub destination: Cidr,
    pub link: u32,
    /// Even if no route leads to it.
    pub via: Option<IpAddr>,
    /// What who sends by it is called.
    pub source: Option<IpAddr>,
    pub table: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    Unicast,
    /// To an address of this host.
    Local,
    /// Nowhere, and so told or not.
    Rejected,
    Other,
}

/// Of any table, of whomever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covering {
    pub destination: Cidr,
    pub kind: RouteKind,
    pub table: u32,
    pub link: Option<u32>,
    /// Whose it is, as a number.
    pub protocol: u8,
}

impl Route {
    /// To one address, in the table of everybody.
    pub fn to(address: IpAddr, link: u32) -> Self {
        Self { destination: alone(address), link, via: None, source: None, table: MAIN }
    }
}

pub(super) fn alone(address: IpAddr) -> Cidr {
    let all = Cidr::new(address, if address.is_ipv4() { 32 } else { 128 });
    all.unwrap_or_else(|_| unreachable!("an address covers itself"))
}

impl Netlink {
    /// Fails with `EEXIST` if there is one to the same destination, wherever it leads.
    pub fn add_route(&mut self, route: &Route) -> Result<(), NetlinkError> {
        let message = ours(NEW, CREATE | EXCLUSIVE, route);
        let destination = route.destination;
        self.order(message, || format!("the route to {destination} could not be added"))
    }

    pub fn delete_route(&mut self, route: &Route) -> Result<(), NetlinkError> {
        let message = ours(DELETE, 0, route);
        let destination = route.destination;
        self.order(message, || format!("the route to {destination} could not be removed"))
    }

    /// By which what goes to `address` would leave this host. Its cost does not grow with their
    /// number.
    pub fn covering(&mut self, address: IpAddr) -> Result<Option<Covering>, NetlinkError> {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        let mut header = [0; HEADER_BYTES];
        header[..2].copy_from_slice(&[family(address), prefix]);
        header[8..].copy_from_slice(&MATCH.to_ne_bytes());
        let message = Message::new(GET, 0, &header).with(DESTINATION, &octets(address));
        let mut found = None;
        let what = || format!("the route to {address} could not be looked up");
        match self.ask(message, |_, body| found = parse(body), what) {
            Ok(()) => Ok(found),
            // There is none, or one that leads nowhere.
            Err(error)
                if matches!(
                    error.errno(),
                    libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All of them, one at a time.
    pub fn routes(&mut self, mut each: impl FnMut(Covering)) -> Result<(), NetlinkError> {
        for family in [libc::AF_INET, libc::AF_INET6] {
            let mut header = [0; HEADER_BYTES];
            header[0] = family_number(family);
            let message = Message::new(GET, DUMP, &header);
            self.ask(
                message,
                |_, body| {
                    if let Some(route) = parse(body) {
                        each(route);
                    }
                },
                || "the routes could not be listed".to_owned(),
            )?;
        }
        Ok(())
    }
}

fn ours(kind: u16, flags: u16, route: &Route) -> Message {
    let Route { destination, link, via, source, table } = *route;
    let scope =
        if via.is_some() || destination.address().is_ipv6() { UNIVERSE } else { LINK_SCOPE };
    let unicast = libc::RTN_UNICAST;
    let mut header = [0; HEADER_BYTES];
    // `rtmsg`; tables have had more than a byte for long.
    header[..8].copy_from_slice(&[
        family(destination.address()),
        destination.prefix(),
        0,
        0,
        0,
        PROTOCOL,
        scope,
        unicast,
    ]);
    if via.is_some() {
        header[8..].copy_from_slice(&ON_LINK.to_ne_bytes());
    }
    let mut message = Message::new(kind, flags, &header)
        .with_number(TABLE, table)
        .with_number(OUTPUT, link)
        .with_some(GATEWAY, via.map(octets).as_deref())
        .with_some(SOURCE, source.map(octets).as_deref());
    if destination.prefix() > 0 {
        message = message.with(DESTINATION, &octets(destination.address()));
    }
    message
}

pub(super) fn parse(body: &[u8]) -> Option<Covering> {
    let (header, rest) = body.split_at_checked(HEADER_BYTES)?;
    let [family, prefix, _, _, table, protocol, _, kind, ..] = *header else { return None };
    if header.get(8..).and_then(number)? & CACHED != 0 && kind != libc::RTN_LOCAL {
        return None;
    }
    let mut address = if family == family_number(libc::AF_INET) {
        IpAddr::from([0_u8; 4])
    } else if family == family_number(libc::AF_INET6) {
        IpAddr::from([0_u8; 16])
    } else {
        return None;
    };
    let (mut table, mut link) = (u32::from(table), None);
    for (kind, value) in attributes(rest) {
        match kind {
            DESTINATION => address = ip(value)?,
            TABLE => table = number(value)?,
            OUTPUT => link = number(value),
            _ => {}
        }
    }
    let kind = match kind {
        libc::RTN_UNICAST => RouteKind::Unicast,
        libc::RTN_LOCAL | libc::RTN_ANYCAST => RouteKind::Local,
        libc::RTN_BLACKHOLE | libc::RTN_UNREACHABLE | libc::RTN_PROHIBIT => RouteKind::Rejected,
        _ => RouteKind::Other,
    };
    Some(Covering { destination: Cidr::new(address, prefix).ok()?, kind, table, link, protocol })
}

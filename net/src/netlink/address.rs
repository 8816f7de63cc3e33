//! Addresses of links.

use std::net::IpAddr;

use super::{
    Netlink, NetlinkError,
    attribute::{attributes, family, ip, number, octets},
    message::{CREATE, DUMP, EXCLUSIVE, Message},
};

const NEW: u16 = 20;
const GET: u16 = 22;
const PEER: u16 = 1;
const LOCAL: u16 = 2;
/// Nobody else has it: it is used at once.
const NO_DETECTION: u8 = 0x02;
const HEADER_BYTES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub link: u32,
    pub address: IpAddr,
    pub prefix: u8,
}

impl Netlink {
    /// `address` alone, and a route to `peer` alone.
    pub fn add_address(
        &mut self,
        link: u32,
        address: IpAddr,
        peer: Option<IpAddr>,
    ) -> Result<(), NetlinkError> {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        let flags = if address.is_ipv6() { NO_DETECTION } else { 0 };
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&[family(address), prefix, flags, 0]);
        header[4..].copy_from_slice(&link.to_ne_bytes());
        let message = Message::new(NEW, CREATE | EXCLUSIVE, &header)
            .with(LOCAL, &octets(address))
            .with(PEER, &octets(peer.unwrap_or(address)));
        self.order(message, || format!("the address {address} could not be given to link {link}"))
    }

    /// All of this namespace.
    pub fn addresses(&mut self) -> Result<Vec<Address>, NetlinkError> {
        let message = Message::new(GET, DUMP, &[0; HEADER_BYTES]);
        let mut found = Vec::new();
        self.ask(
            message,
            |_, body| found.extend(parse(body)),
            || "the addresses could not be listed".to_owned(),
        )?;
        Ok(found)
    }
}

pub(super) fn parse(body: &[u8]) -> Option<Address> {
    let (header, rest) = body.split_at_checked(HEADER_BYTES)?;
    let find = |wanted| attributes(rest).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    // With a peer, the first is the peer's.
    let address = find(LOCAL).or_else(|| find(PEER)).and_then(ip)?;
    Some(Address { link: header.get(4..).and_then(number)?, address, prefix: *header.get(1)? })
}

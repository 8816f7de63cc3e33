//! Neighbours that nobody is asked for.

use std::net::IpAddr;

use super::{
    Mac, Netlink, NetlinkError,
    attribute::{family, octets},
    message::{CREATE, Message, REPLACE},
};

const NEW: u16 = 28;
const DESTINATION: u16 = 1;
const ADDRESS: u16 = 2;
const PERMANENT: u16 = 0x80;

impl Netlink {
    pub fn add_neighbour(
        &mut self,
        link: u32,
        address: IpAddr,
        mac: Mac,
    ) -> Result<(), NetlinkError> {
        // `ndmsg`
        let mut header = [0; 12];
        header[0] = family(address);
        header[4..8].copy_from_slice(&link.to_ne_bytes());
        header[8..10].copy_from_slice(&PERMANENT.to_ne_bytes());
        let message = Message::new(NEW, CREATE | REPLACE, &header)
            .with(DESTINATION, &octets(address))
            .with(ADDRESS, &mac);
        self.order(message, || format!("{address} could not be made a neighbour on link {link}"))
    }
}

//! Messages of rtnetlink, of which the few that are needed are written and none is read but an
//! acknowledgement. The kernel's structures are in the machine's own byte order.

use std::{io, net::IpAddr};

use rustix::io::Errno;

const HEADER_BYTES: usize = 16;
/// `NLM_F_REQUEST | NLM_F_ACK`
const CHANGE: u16 = 0x1 | 0x4;
/// With `NLM_F_REPLACE | NLM_F_CREATE`: what is there already is replaced.
const MAKE: u16 = CHANGE | 0x100 | 0x400;
const ERROR: u16 = 2;

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const NEW_NEIGHBOUR: u16 = 28;

const UP: u32 = 1;
const NO_DUPLICATE_DETECTION: u8 = 0x2;
const PERMANENT: u16 = 0x80;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_BOOT: u8 = 3;
const UNICAST: u8 = 1;

const LINK_MTU: u16 = 4;
const ADDRESS: u16 = 1;
const ADDRESS_LOCAL: u16 = 2;
const ROUTE_DEVICE: u16 = 4;
const ROUTE_GATEWAY: u16 = 5;
const NEIGHBOUR_ADDRESS: u16 = 1;
const NEIGHBOUR_MAC: u16 = 2;

/// Of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Up { mtu: u32 },
    Address { address: IpAddr, prefix: u8 },
    Neighbour { address: IpAddr, mac: [u8; 6] },
    DefaultRoute { gateway: IpAddr },
}

/// Without its length and number, which come when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    kind: u16,
    body: Vec<u8>,
}

impl Wanted {
    pub(super) fn message(self, device: u32) -> Message {
        match self {
            Self::Up { mtu } => {
                // struct ifinfomsg: family, type, index, flags, mask of flags.
                let mut message = Message { kind: NEW_LINK, body: vec![0; 4] };
                for word in [device, UP, UP] {
                    message.body.extend(word.to_ne_bytes());
                }
                message.attribute(LINK_MTU, &mtu.to_ne_bytes())
            }
            Self::Address { address, prefix } => {
                // struct ifaddrmsg: family, prefix, flags, scope, index.
                let body = vec![family(address), prefix, NO_DUPLICATE_DETECTION, 0];
                let mut message = Message { kind: NEW_ADDRESS, body };
                message.body.extend(device.to_ne_bytes());
                let address = octets(address);
                message.attribute(ADDRESS_LOCAL, &address).attribute(ADDRESS, &address)
            }
            Self::Neighbour { address, mac } => {
                // struct ndmsg: family, padding, index, state, flags, type.
                let mut message =
                    Message { kind: NEW_NEIGHBOUR, body: vec![family(address), 0, 0, 0] };
                message.body.extend(device.to_ne_bytes());
                message.body.extend(PERMANENT.to_ne_bytes());
                message.body.extend([0, 0]);
                message
                    .attribute(NEIGHBOUR_ADDRESS, &octets(address))
                    .attribute(NEIGHBOUR_MAC, &mac)
            }
            Self::DefaultRoute { gateway } => {
                // struct rtmsg: family, lengths of the two blocks, service, table, protocol, scope,
                // type, flags.
                let body = vec![
                    family(gateway),
                    0,
                    0,
                    0,
                    TABLE_MAIN,
                    PROTOCOL_BOOT,
                    0,
                    UNICAST,
                    0,
                    0,
                    0,
                    0,
                ];
                Message { kind: NEW_ROUTE, body }
                    .attribute(ROUTE_GATEWAY, &octets(gateway))
                    .attribute(ROUTE_DEVICE, &device.to_ne_bytes())
            }
        }
    }
}

impl Message {
    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        // None is longer than an address.
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.body.extend(length.to_ne_bytes());
        self.body.extend(kind.to_ne_bytes());
        self.body.extend(value);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        self
    }

    pub(super) fn bytes(&self, number: u32) -> Vec<u8> {
        let Self { kind, body } = self;
        let length = u32::try_from(HEADER_BYTES + body.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        // The link is there, and none is to be made.
        bytes.extend(if *kind == NEW_LINK { CHANGE } else { MAKE }.to_ne_bytes());
        bytes.extend(number.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(body);
        bytes
    }
}

/// What the kernel says of the message with this number; `None` when it says something else.
pub(super) fn verdict(datagram: &[u8], number: u32) -> Option<io::Result<()>> {
    let word = |at: usize| <[u8; 4]>::try_from(datagram.get(at..at + 4)?).ok();
    let kind = u16::from_ne_bytes(datagram.get(4..6)?.try_into().ok()?);
    if kind != ERROR || u32::from_ne_bytes(word(8)?) != number {
        return None;
    }
    Some(match i32::from_ne_bytes(word(HEADER_BYTES)?) {
        0 => Ok(()),
        code => Err(Errno::from_raw_os_error(code.saturating_neg()).into()),
    })
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 10,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(six) => six.octets().to_vec(),
    }
}

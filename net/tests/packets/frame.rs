//! Frames byte by byte, honest and otherwise.

pub(crate) mod four;
pub(crate) mod neighbour;
pub(crate) mod six;
pub(crate) mod transport;

use kiln_net::plan::{GATEWAY_MAC, GUEST_MAC};

pub(crate) type Mac = [u8; 6];

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV6: u16 = 0x86dd;
pub(crate) const VLAN: u16 = 0x8100;
pub(crate) const BROADCAST: Mac = [0xff; 6];

pub(crate) fn ethernet(to: Mac, from: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [to, from].concat();
    frame.extend(kind.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// From the guest to its gateway, as it should be.
pub(crate) fn honest(kind: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(GATEWAY_MAC, GUEST_MAC, kind, payload)
}

pub(crate) fn kind(frame: &[u8]) -> u16 {
    frame.get(12..14).map_or(0, |kind| u16::from_be_bytes([kind[0], kind[1]]))
}

/// The ones' complement sum of RFC 1071.
pub(crate) fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let bytes = parts.concat();
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap()).to_be_bytes()
}

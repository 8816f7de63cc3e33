//! IPv6.

use std::net::Ipv6Addr;

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const NO_NEXT: u8 = 59;
pub(crate) const DESTINATION_OPTIONS: u8 = 60;

pub(crate) fn packet(from: Ipv6Addr, to: Ipv6Addr, next: u8, hops: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet.extend([next, hops]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend_from_slice(payload);
    packet
}

/// An extension header of eight bytes, padded, before what follows.
pub(crate) fn extension(next: u8, payload: &[u8]) -> Vec<u8> {
    [&[next, 0, 1, 4, 0, 0, 0, 0], payload].concat()
}

/// A routing header that names one more stop.
pub(crate) fn routed(kind: u8, next: u8, stop: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![next, 2, kind, 1, 0, 0, 0, 0];
    header.extend(stop.octets());
    header.extend_from_slice(payload);
    header
}

/// A fragment's header: offset in bytes, and whether more follow.
pub(crate) fn fragment(next: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![next, 0];
    header.extend((offset & !7 | u16::from(more)).to_be_bytes());
    header.extend([0, 0, 0x4b, 0x69]);
    header.extend_from_slice(payload);
    header
}

/// Next header, addresses and what follows of an IPv6 packet in a frame.
pub(crate) fn parsed(frame: &[u8]) -> Option<(u8, Ipv6Addr, Ipv6Addr, &[u8])> {
    if super::kind(frame) != super::IPV6 {
        return None;
    }
    let packet = frame.get(14..)?;
    let address = |at: usize| {
        let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(octets))
    };
    Some((*packet.get(6)?, address(8)?, address(24)?, packet.get(40..)?))
}

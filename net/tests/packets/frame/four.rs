//! IPv4.

use std::net::Ipv4Addr;

use super::checksum;

/// Its header, and what follows.
#[derive(Clone, Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) from: Ipv4Addr,
    pub(crate) to: Ipv4Addr,
    pub(crate) protocol: u8,
    pub(crate) options: &'a [u8],
    /// Flags and offset.
    pub(crate) fragment: u16,
    pub(crate) payload: &'a [u8],
}

pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;

impl<'a> Packet<'a> {
    pub(crate) fn new(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &'a [u8]) -> Self {
        Self { from, to, protocol, options: &[], fragment: 0, payload }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { from, to, protocol, options, fragment, payload } = self;
        let words = u8::try_from(5 + options.len() / 4).unwrap();
        let length = u16::try_from(20 + options.len() + payload.len()).unwrap();
        let mut header = vec![0x40 | words, 0];
        header.extend(length.to_be_bytes());
        header.extend([0x4b, 0x69]);
        header.extend(fragment.to_be_bytes());
        header.extend([64, *protocol, 0, 0]);
        header.extend(from.octets());
        header.extend(to.octets());
        header.extend_from_slice(options);
        let sum = checksum(&[&header]);
        header[10..12].copy_from_slice(&sum);
        header.extend_from_slice(payload);
        header
    }
}

/// Protocol, addresses and what follows of an IPv4 packet in a frame.
pub(crate) fn parsed(frame: &[u8]) -> Option<(u8, Ipv4Addr, Ipv4Addr, &[u8])> {
    if super::kind(frame) != super::IPV4 {
        return None;
    }
    let packet = frame.get(14..)?;
    let address = |at: usize| {
        let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(octets))
    };
    let words = usize::from(packet.first()? & 0xf);
    Some((*packet.get(9)?, address(12)?, address(16)?, packet.get(words * 4..)?))
}

//! Ethernet frames, whole and wrong.

use std::net::{Ipv4Addr, Ipv6Addr};

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV6: u16 = 0x86dd;

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMP6: u8 = 58;

pub(crate) const SYN: u8 = 2;
pub(crate) const ACK: u8 = 16;

/// The guest's end of its link and the gateway's, as they really are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub mac: [u8; 6],
    pub gateway_mac: [u8; 6],
    pub address: Ipv4Addr,
    pub gateway: Ipv4Addr,
}

pub(crate) fn ethernet(to: [u8; 6], from: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = to.to_vec();
    frame.extend(from);
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    // Shorter ones are no frames.
    frame.resize(frame.len().max(60), 0);
    frame
}

/// With options, whose length is a multiple of four.
pub(crate) fn ipv4(
    from: Ipv4Addr,
    to: Ipv4Addr,
    protocol: u8,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let words = u8::try_from(5 + options.len() / 4).unwrap_or(15);
    let length = u16::try_from(20 + options.len() + payload.len()).unwrap_or(u16::MAX);
    let mut header = vec![0x40 | words, 0];
    header.extend(length.to_be_bytes());
    // Its number, no fragment, 64 hops, no sum yet.
    header.extend([0x12, 0x34, 0, 0, 64, protocol, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    header.extend(options);
    let sum = checksum(&header, 0);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(payload);
    header
}

pub(crate) fn ipv6(from: Ipv6Addr, to: Ipv6Addr, next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([next, 255]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(payload);
    packet
}

pub(crate) fn udp(pseudo: u32, from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap_or(u16::MAX);
    let mut datagram = Vec::new();
    for word in [from, to, length, 0] {
        datagram.extend(word.to_be_bytes());
    }
    datagram.extend(payload);
    let sum = checksum(&datagram, pseudo + u32::from(UDP) + u32::from(length));
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    datagram
}

pub(crate) fn tcp(pseudo: u32, from: u16, to: u16, flags: u8) -> Vec<u8> {
    let mut segment = Vec::new();
    for word in [from, to] {
        segment.extend(word.to_be_bytes());
    }
    segment.extend([0, 0, 0, 7, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let sum = checksum(&segment, pseudo + u32::from(TCP) + 20);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

pub(crate) fn echo(kind: u8, pseudo: u32) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0, 1, 0, 1, b'k', b'i', b'l', b'n'];
    let sum = checksum(&message, pseudo);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// The sum over both addresses, that goes into those of what is carried.
pub(crate) fn pseudo4(from: Ipv4Addr, to: Ipv4Addr) -> u32 {
    words([from.octets(), to.octets()].as_flattened())
}

pub(crate) fn pseudo6(from: Ipv6Addr, to: Ipv6Addr) -> u32 {
    words([from.octets(), to.octets()].as_flattened())
}

pub(crate) fn arp(
    operation: u16,
    sender: ([u8; 6], Ipv4Addr),
    target: ([u8; 6], Ipv4Addr),
) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(operation.to_be_bytes());
    for (mac, address) in [sender, target] {
        packet.extend(mac);
        packet.extend(address.octets());
    }
    packet
}

fn words(bytes: &[u8]) -> u32 {
    bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum()
}

fn checksum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = words(bytes) + start;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Sixteen bits are left.
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sum over what has its own sum in it is nothing.
    #[test]
    fn sums_are_right() {
        let (from, to) = (Ipv4Addr::new(192, 0, 2, 2), Ipv4Addr::new(203, 0, 113, 80));
        let pseudo = pseudo4(from, to);
        let datagram = udp(pseudo, 1000, 53, b"odd");
        assert_eq!(checksum(&datagram, pseudo + 17 + 11), 0);
        assert_eq!(checksum(&tcp(pseudo, 1, 2, SYN), pseudo + 6 + 20), 0);
        assert_eq!(checksum(&echo(8, 0), 0), 0);
        let packet = ipv4(from, to, UDP, &[1, 1, 1, 0], &datagram);
        assert_eq!((checksum(&packet[..24], 0), packet.len()), (0, 24 + 11));
        assert_eq!(ethernet([1; 6], [2; 6], IPV4, &packet).len(), 60);
    }
}

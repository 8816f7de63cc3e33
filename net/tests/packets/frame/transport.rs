//! TCP, UDP, ICMP: over either family.

use std::net::IpAddr;

use super::{IPV4, IPV6, checksum, four, honest, six};

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMP: u8 = 1;
pub(crate) const ICMP6: u8 = 58;

pub(crate) const SYN: u8 = 2;
pub(crate) const RESET: u8 = 4;
pub(crate) const PUSH: u8 = 8;
pub(crate) const ACKNOWLEDGE: u8 = 16;

/// What the checksums of TCP, UDP and `ICMPv6` cover besides.
fn pseudo(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            [&from.octets()[..], &to.octets(), &[0, protocol], &length[2..]].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            [&from.octets()[..], &to.octets(), &length, &[0, 0, 0, protocol]].concat()
        }
        _ => panic!("{from} and {to} are of two families"),
    }
}

pub(crate) fn udp(from: (IpAddr, u16), to: (IpAddr, u16), payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len();
    let mut datagram = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    datagram.extend(u16::try_from(length).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend_from_slice(payload);
    let sum = checksum(&[&pseudo(from.0, to.0, UDP, length), &datagram]);
    datagram[6..8].copy_from_slice(&sum);
    datagram
}

/// What a segment says beside its ports.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Segment<'a> {
    pub(crate) flags: u8,
    pub(crate) sequence: u32,
    pub(crate) acknowledged: u32,
    pub(crate) payload: &'a [u8],
}

pub(crate) fn tcp(from: (IpAddr, u16), to: (IpAddr, u16), segment: Segment<'_>) -> Vec<u8> {
    let Segment { flags, sequence, acknowledged, payload } = segment;
    let mut bytes = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(acknowledged.to_be_bytes());
    bytes.extend([0x50, flags, 0x40, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(payload);
    let sum = checksum(&[&pseudo(from.0, to.0, TCP, bytes.len()), &bytes]);
    bytes[16..18].copy_from_slice(&sum);
    bytes
}

pub(crate) fn syn(from: (IpAddr, u16), to: (IpAddr, u16)) -> Vec<u8> {
    tcp(from, to, Segment { flags: SYN, sequence: 1000, ..Segment::default() })
}

pub(crate) fn echo(payload: &[u8]) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0x4b, 0x69, 0, 1];
    message.extend_from_slice(payload);
    let sum = checksum(&[&message]);
    message[2..4].copy_from_slice(&sum);
    message
}

/// An `ICMPv6` message with its checksum.
pub(crate) fn icmp6(from: IpAddr, to: IpAddr, kind: u8, code: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend_from_slice(body);
    let sum = checksum(&[&pseudo(from, to, ICMP6, message.len()), &message]);
    message[2..4].copy_from_slice(&sum);
    message
}

pub(crate) fn echo6(from: IpAddr, to: IpAddr, payload: &[u8]) -> Vec<u8> {
    icmp6(from, to, 128, 0, &[&[0x4b, 0x69, 0, 1], payload].concat())
}

/// A packet of either family, without any options.
pub(crate) fn packet(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> (u16, Vec<u8>) {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            (IPV4, four::Packet::new(from, to, protocol, payload).bytes())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => (IPV6, six::packet(from, to, protocol, 64, payload)),
        _ => panic!("{from} and {to} are of two families"),
    }
}

/// From the guest's hardware address to the gateway's.
pub(crate) fn framed(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let (kind, packet) = packet(from, to, protocol, payload);
    honest(kind, &packet)
}

pub(crate) fn udp_frame(from: (IpAddr, u16), to: (IpAddr, u16), payload: &[u8]) -> Vec<u8> {
    framed(from.0, to.0, UDP, &udp(from, to, payload))
}

pub(crate) fn syn_frame(from: (IpAddr, u16), to: (IpAddr, u16)) -> Vec<u8> {
    framed(from.0, to.0, TCP, &syn(from, to))
}

/// What came, of either family.
#[derive(Clone, Debug)]
pub(crate) struct Parsed<'a> {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) body: &'a [u8],
}

impl Parsed<'_> {
    pub(crate) fn of(frame: &[u8]) -> Option<Parsed<'_>> {
        if let Some((protocol, from, to, body)) = four::parsed(frame) {
            return Some(Parsed { from: from.into(), to: to.into(), protocol, body });
        }
        let (protocol, from, to, body) = six::parsed(frame)?;
        Some(Parsed { from: from.into(), to: to.into(), protocol, body })
    }

    fn number(&self, at: usize) -> u32 {
        self.body.get(at..at + 4).map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
    }

    fn port(&self, at: usize) -> u16 {
        self.body.get(at..at + 2).map_or(0, |bytes| u16::from_be_bytes(bytes.try_into().unwrap()))
    }

    pub(crate) fn source_port(&self) -> u16 {
        self.port(0)
    }

    pub(crate) fn destination_port(&self) -> u16 {
        self.port(2)
    }

    pub(crate) fn sequence(&self) -> u32 {
        self.number(4)
    }

    pub(crate) fn flags(&self) -> u8 {
        self.body.get(13).copied().unwrap_or(0)
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.protocol == TCP && self.flags() & RESET != 0
    }

    pub(crate) fn is_welcome(&self) -> bool {
        self.protocol == TCP && self.flags() & (SYN | ACKNOWLEDGE) == SYN | ACKNOWLEDGE
    }

    /// Communication administratively prohibited.
    pub(crate) fn is_prohibition(&self) -> bool {
        let kind = self.body.get(..2);
        (self.protocol == ICMP && kind == Some(&[3, 13]))
            || (self.protocol == ICMP6 && kind == Some(&[1, 1]))
    }

    /// What an UDP datagram carries.
    pub(crate) fn datagram(&self) -> &[u8] {
        if self.protocol == UDP { self.body.get(8..).unwrap_or_default() } else { &[] }
    }
}

//! Frames that no other end may ever see, by what they try.

mod dns;
mod metadata;
mod six;
mod spoof;

use std::net::Ipv4Addr;

use crate::{
    Link,
    frame::{ICMP, IPV4, UDP, ethernet, ipv4, pseudo4, udp},
};

/// One frame and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    pub frame: Vec<u8>,
}

/// What a frame tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To be sent by somebody else.
    Spoof,
    /// To reach a metadata endpoint.
    Metadata,
    /// To have a name answered that is not allowed, or to carry a secret in one.
    Dns,
    /// To leave by IPv6.
    Six,
    /// Nothing: it is as a guest's frame should be, so what happens to it can happen to others.
    Honest,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Spoof, Self::Metadata, Self::Dns, Self::Six, Self::Honest];

    pub fn name(self) -> &'static str {
        match self {
            Self::Spoof => "spoof",
            Self::Metadata => "metadata",
            Self::Dns => "dns",
            Self::Six => "six",
            Self::Honest => "honest",
        }
    }

    pub fn cases(self, link: &Link) -> Vec<Case> {
        match self {
            Self::Spoof => spoof::cases(link),
            Self::Metadata => metadata::cases(link),
            Self::Dns => dns::cases(link),
            Self::Six => six::cases(link),
            Self::Honest => vec![honest(link)],
        }
    }
}

/// To which nobody else sends anything.
pub const TARGET: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 77);
/// Of the honest one, at the same address.
pub const HONEST_PORT: u16 = 7777;
/// In each name that is asked for.
pub const SECRET: &str = "k1ln-s3cr3t";

fn honest(link: &Link) -> Case {
    Case { name: "honest".to_owned(), frame: datagram(link, TARGET, HONEST_PORT, b"honest") }
}

/// As the guest's own kernel would send it.
fn datagram(link: &Link, to: Ipv4Addr, port: u16, payload: &[u8]) -> Vec<u8> {
    let from = link.address;
    let datagram = udp(pseudo4(from, to), 40_000, port, payload);
    own(link, &ipv4(from, to, UDP, &[], &datagram))
}

fn own(link: &Link, packet: &[u8]) -> Vec<u8> {
    ethernet(link.gateway_mac, link.mac, IPV4, packet)
}

/// For tests of those who send them.
pub fn is_secret(name: &str) -> bool {
    name.to_ascii_lowercase().contains(SECRET)
}

/// Whether a probe has sent it, of those frames that carry anything. A refusal quotes what it
/// refuses, and is not the probe's.
pub fn is_probes(frame: &[u8]) -> bool {
    let is_refusal = frame.get(12..14) == Some(&IPV4.to_be_bytes()) && frame.get(23) == Some(&ICMP);
    if is_refusal {
        return false;
    }
    let words: [&[u8]; 4] = [b"spoof", b"wrapped", b"inner", b"honest"];
    words.iter().any(|word| frame.windows(word.len()).any(|part| part == *word))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_as_many_as_are_said_and_no_two_alike() {
        let link = Link {
            mac: [2, 0x4b, 0x69, 0x6c, 0x6e, 2],
            gateway_mac: [2, 0x4b, 0x69, 0x6c, 0x6e, 1],
            address: [192, 0, 2, 2].into(),
            gateway: [192, 0, 2, 1].into(),
        };
        for (kind, least) in [
            (Kind::Spoof, 200),
            (Kind::Metadata, 25),
            (Kind::Dns, 40),
            (Kind::Six, 30),
            (Kind::Honest, 1),
        ] {
            let cases = kind.cases(&link);
            let names: BTreeSet<_> = cases.iter().map(|case| &case.name).collect();
            let frames: BTreeSet<_> = cases.iter().map(|case| &case.frame).collect();
            assert!(cases.len() >= least, "{}: {}", kind.name(), cases.len());
            assert_eq!((names.len(), frames.len()), (cases.len(), cases.len()), "{}", kind.name());
            // And nothing longer than the link carries.
            assert!(cases.iter().all(|case| (60..=1514).contains(&case.frame.len())));
        }
    }
}

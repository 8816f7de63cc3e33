//! Questions that carry a secret: in a name, to a server, or in a way that is not allowed.

use std::net::Ipv4Addr;

use super::{Case, SECRET, datagram, own};
use crate::{
    Link,
    frame::{SYN, TCP, UDP, ipv4, pseudo4, tcp, udp},
    name::{name, question},
};

const ASK: u16 = 0x0100;
const IN: u16 = 1;

pub(super) fn cases(link: &Link) -> Vec<Case> {
    let mut cases = elsewhere(link);
    cases.extend(kinds(link));
    cases.extend(malformed(link));
    cases
}

/// To whoever else may answer.
fn elsewhere(link: &Link) -> Vec<Case> {
    let secret = |place: &str| name(&format!("{SECRET}.{place}.test"));
    let servers = [
        Ipv4Addr::new(203, 0, 113, 53),
        Ipv4Addr::new(203, 0, 113, 8),
        Ipv4Addr::new(8, 8, 8, 8),
        Ipv4Addr::new(203, 0, 113, 1),
        Ipv4Addr::new(198, 51, 100, 1),
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(192, 0, 2, 3),
        Ipv4Addr::new(10, 0, 0, 53),
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(224, 0, 0, 1),
    ];
    let mut cases = Vec::new();
    for server in servers {
        let asked = question(ASK, 1, &secret("elsewhere"), 1, IN);
        let frame = datagram(link, server, 53, &asked);
        cases.push(Case { name: format!("asking {server}"), frame });
    }
    let public = Ipv4Addr::new(203, 0, 113, 53);
    for (port, what) in [(853, "over TLS"), (443, "over HTTPS"), (53, "over TCP")] {
        let segment = tcp(pseudo4(link.address, public), 40_002, port, SYN);
        let frame = own(link, &ipv4(link.address, public, TCP, &[], &segment));
        cases.push(Case { name: format!("asking {what}"), frame });
    }
    for (server, port, what) in [
        (public, 443, "over QUIC"),
        (public, 853, "over DTLS"),
        (public, 5353, "at another port"),
        (public, 784, "at the old port of QUIC"),
        (Ipv4Addr::new(224, 0, 0, 251), 5353, "everybody, by multicast"),
        (Ipv4Addr::new(224, 0, 0, 252), 5355, "neighbours"),
        (Ipv4Addr::new(192, 0, 2, 3), 137, "for a name of NetBIOS"),
        (link.gateway, 5353, "the gateway at another port"),
        (link.gateway, 853, "the gateway over DTLS"),
        (link.gateway, 15001, "the splice"),
    ] {
        let asked = question(ASK, 1, &secret("ports"), 1, IN);
        cases.push(Case {
            name: format!("asking {what}"),
            frame: datagram(link, server, port, &asked),
        });
    }
    // As somebody else, whose answer would go nowhere; the question would have left.
    let (from, to) = (Ipv4Addr::new(198, 51, 100, 2), link.gateway);
    let asked = udp(pseudo4(from, to), 40_002, 53, &question(ASK, 1, &name("one.test"), 1, IN));
    let frame = own(link, &ipv4(from, to, UDP, &[], &asked));
    cases.push(Case { name: "asking as another".to_owned(), frame });
    cases
}

/// Of the gateway: every kind of question, for names that nobody allowed.
fn kinds(link: &Link) -> Vec<Case> {
    let ask = |name: &[u8], kind, class, flags| {
        datagram(link, link.gateway, 53, &question(flags, 1, name, kind, class))
    };
    let secret = |place: &str| name(&format!("{SECRET}.{place}.test"));
    let mut cases = Vec::new();
    for (kind, what) in [
        (1, "a"),
        (2, "ns"),
        (5, "cname"),
        (6, "soa"),
        (10, "null"),
        (12, "ptr"),
        (15, "mx"),
        (16, "txt"),
        (28, "aaaa"),
        (33, "srv"),
        (35, "naptr"),
        (65, "https"),
        (251, "ixfr"),
        (252, "axfr"),
        (255, "any"),
        (65_399, "private"),
    ] {
        let frame = ask(&secret(what), kind, IN, ASK);
        cases.push(Case { name: format!("kind {what}"), frame });
    }
    // Below a name that is allowed, which is not allowed by that.
    let below = name(&format!("{SECRET}.one.test"));
    for (class, flags, what) in [
        (IN, ASK, "below an allowed name"),
        (3, ASK, "of another class"),
        (255, ASK, "of any class"),
        (IN, 0x2900, "as an update"),
        (IN, 0x2100, "as a notice"),
        (IN, 0x8180, "as an answer"),
        (IN, 0x0000, "without recursion"),
    ] {
        cases.push(Case { name: what.to_owned(), frame: ask(&below, 1, class, flags) });
    }
    cases
}

/// What somebody may read otherwise than we do.
fn malformed(link: &Link) -> Vec<Case> {
    let secret = name(&format!("{SECRET}.malformed.test"));
    let send = |message: &[u8]| datagram(link, link.gateway, 53, message);
    let allowed = name("one.test");
    let second = [&question(ASK, 2, &allowed, 1, IN)[..], &secret, &[0, 1, 0, 1]].concat();
    let pointer = question(ASK, 1, &[0xc0, 0x0c], 1, IN);
    let long = name(&[SECRET; 30].join("."));
    let label = [&[200][..], &[b'x'; 200], &[0]].concat();
    let padded = [&question(ASK, 1, &allowed, 1, IN)[..], SECRET.as_bytes()].concat();
    let mut option = question(ASK, 1, &allowed, 1, IN);
    // An OPT record with a client's subnet that is no subnet.
    option[11] = 1;
    option.extend([0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 15, 0, 8, 0, 11]);
    option.extend(SECRET.as_bytes());
    let zero = [&[4][..], b"a\0b.", &[4], b"test", &[0]].concat();
    [
        ("two questions", second),
        ("a name that points at itself", pointer),
        ("a name that is too long", question(ASK, 1, &long, 1, IN)),
        ("a label that is too long", question(ASK, 1, &label, 1, IN)),
        ("something after the question", padded),
        ("a secret in an option", option),
        ("a zero in a name", question(ASK, 1, &zero, 1, IN)),
        ("no question", question(ASK, 0, &[], 0, 0)),
        ("half a header", vec![0x6b, 0x69, 1]),
    ]
    .into_iter()
    .map(|(name, message)| Case { name: name.to_owned(), frame: send(&message) })
    .collect()
}

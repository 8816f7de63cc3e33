//! Where clouds keep what a machine may know of itself, and its host's keys.

use std::net::{IpAddr, Ipv4Addr};

use kiln_net::{
    nft,
    plan::{Admission, GATEWAY_MAC, GUEST_MAC, Reach},
    record::Transport,
};

use crate::{
    frame::{
        BROADCAST, IPV4, IPV6, four, honest,
        neighbour::{Arp, SOLICITATION, discovery},
        six,
        transport::{ICMP, Parsed, TCP, UDP, echo, framed, syn, syn_frame, udp, udp_frame},
    },
    listeners::Listeners,
    stage::{
        GATEWAY_SIX, GUEST, GUEST_SIX, GUEST4, GUEST6, INSTANCE, PATIENCE, SERVER, SERVER6, Stage,
        ip,
    },
};

const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

fn addresses() -> Vec<IpAddr> {
    let texts = [
        // AWS, GCP, Azure, OpenStack, Oracle and many more; ECS and EKS; Azure's wire server is
        // public and is whoever has that address here; Alibaba; GCP by its other name.
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "169.254.169.253",
        "169.254.169.123",
        "169.254.169.249",
        "169.254.0.1",
        "169.254.255.255",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::253",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fe80::a9fe:a9fe",
        // The same by other ways to write it.
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "2001:0:a9fe:a9fe::1",
    ];
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// The number that some programs read as an address, in the forms that they read.
fn decimal() -> [IpAddr; 3] {
    [2_852_039_166_u32, 0o25_177_524_776, 0xa9fe_a9fe].map(|number| Ipv4Addr::from(number).into())
}

fn own(address: IpAddr) -> IpAddr {
    if address.is_ipv6() { GUEST6 } else { GUEST }
}

/// With a server there, on the host and outside, with its address admitted by whoever admits, and
/// with everything open that can be.
pub(crate) fn it_gets_no_packet() {
    for reach in [Reach::Closed, Reach::Admitted, Reach::Internet] {
        let stage = Stage::new(reach, true);
        ip(&stage.host, "address add 169.254.169.254/32 dev lo\n");
        ip(&stage.internet, "address add 169.254.169.254/32 dev lo\n");
        let of_host = Listeners::open(&stage.host, &[(METADATA, 80)]);
        let outside = Listeners::open(&stage.internet, &[(METADATA, 80)]);
        let mut cases = 0;
        let mut all = addresses();
        all.extend(decimal());
        let admissions: Vec<_> = all
            .iter()
            .flat_map(|address| {
                [Transport::Tcp, Transport::Udp].map(|transport| Admission {
                    address: *address,
                    transport,
                    port: 80,
                    seconds: 60,
                })
            })
            .collect();
        let admit = || nft::admit(INSTANCE, &admissions).map_err(std::io::Error::other);
        stage.machine().namespace.enter(admit).unwrap();
        for address in &all {
            stage.guest().send(&syn_frame((own(*address), 5000), (*address, 80)));
            stage.guest().send(&udp_frame((own(*address), 5000), (*address, 80), b"metadata"));
            if is_asked_for(*address) {
                let refused = |frame: &[u8]| {
                    let packet = Parsed::of(frame)?;
                    (packet.from == *address && packet.is_reset()).then_some(())
                };
                let refused = stage.guest().wait(PATIENCE, refused);
                assert!(refused.is_some(), "{address} was not refused at once");
            }
            cases += 1;
        }
        for frame in crooked() {
            stage.guest().send(&frame);
            cases += 1;
        }
        assert!(cases >= 25, "{cases}");
        let left = stage.left();
        assert!(left.is_empty(), "{reach:?}: {left:02x?}");
        assert_eq!((of_host.heard(), outside.heard()), (vec![], vec![]));
        let noted = stage.seen().refused.into_iter().filter(|refusal| refusal.address == METADATA);
        // By TCP, UDP, ICMP and the three that nobody forwards.
        assert_eq!(noted.count(), 6);
    }
}

/// Rather than what no kernel forwards, whoever asks for it.
fn is_asked_for(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => {
            let segments = address.segments();
            let mapped = address.to_ipv4_mapped().is_some();
            !(mapped || segments[0] & 0xffc0 == 0xfe80 || segments[..6] == [0; 6])
        }
    }
}

/// Not by its address, but past it.
fn crooked() -> Vec<Vec<u8>> {
    let IpAddr::V4(server) = SERVER else { panic!("{SERVER}") };
    let IpAddr::V4(metadata) = METADATA else { panic!("{METADATA}") };
    let IpAddr::V6(server6) = SERVER6 else { panic!("{SERVER6}") };
    let segment = syn((GUEST, 5001), (SERVER, 80));
    let mut frames = Vec::new();
    for kind in [131, 137] {
        let options = [kind, 7, 4, 169, 254, 169, 254, 0];
        let packet =
            four::Packet { options: &options, ..four::Packet::new(GUEST4, server, TCP, &segment) };
        frames.push(honest(IPV4, &packet.bytes()));
    }
    for target in [metadata, server] {
        for mac in [BROADCAST, GATEWAY_MAC] {
            let sender = if target == metadata { GUEST4 } else { metadata };
            let arp = Arp { operation: 1, sender: (GUEST_MAC, sender), target: ([0; 6], metadata) };
            frames.push(arp.frame(mac, GUEST_MAC));
        }
    }
    let stop = "fd00:ec2::254".parse().unwrap();
    for kind in [0, 2, 4] {
        let routed = six::routed(kind, TCP, stop, &syn((GUEST6, 5001), (SERVER6, 80)));
        frames.push(honest(IPV6, &six::packet(GUEST_SIX, server6, six::ROUTING, 64, &routed)));
    }
    let macs = (GATEWAY_MAC, GUEST_MAC);
    frames.push(discovery(macs, GUEST_SIX, GATEWAY_SIX, SOLICITATION, 255, stop));
    // Inside of another packet, and as its message of an error.
    let inner = four::Packet::new(GUEST4, metadata, TCP, &segment).bytes();
    for protocol in [4, 47, 50] {
        frames.push(framed(GUEST, SERVER, protocol, &inner));
        frames.push(framed(GUEST, METADATA, protocol, &inner));
    }
    frames.push(framed(GUEST, METADATA, ICMP, &echo(b"metadata")));
    for fragment in [four::MORE_FRAGMENTS, 2] {
        let datagram = udp((GUEST, 5002), (METADATA, 80), &[b'm'; 32]);
        let part = if fragment == 2 { &datagram[16..] } else { &datagram[..16] };
        let packet = four::Packet { fragment, ..four::Packet::new(GUEST4, metadata, UDP, part) };
        frames.push(honest(IPV4, &packet.bytes()));
    }
    frames
}

/// A server that sends a guest there sends it nowhere: that is a connection of the guest's own.
pub(crate) fn a_redirect_leads_nowhere() {
    let stage = Stage::new(Reach::Internet, false);
    let _server = Listeners::open(&stage.internet, &[(SERVER, 80)]);
    stage.guest().send(&syn_frame((GUEST, 5003), (SERVER, 80)));
    let welcomed = |frame: &[u8]| Parsed::of(frame)?.is_welcome().then_some(());
    stage.guest().wait(PATIENCE, welcomed).unwrap();
    // `ICMP` redirects, to it and by it, do not change the way either.
    let IpAddr::V4(server) = SERVER else { panic!("{SERVER}") };
    let about = four::Packet::new(server, GUEST4, TCP, &syn((SERVER, 80), (GUEST, 5003))).bytes();
    let mut redirect = vec![5, 1, 0, 0, 169, 254, 169, 254];
    redirect.extend_from_slice(&about[..28]);
    let sum = crate::frame::checksum(&[&redirect]);
    redirect[2..4].copy_from_slice(&sum);
    stage.machine().left.frames();
    stage.guest().send(&framed(GUEST, SERVER, ICMP, &redirect));
    stage.guest().send(&syn_frame((GUEST, 5004), (METADATA, 80)));
    let reset = |frame: &[u8]| Parsed::of(frame)?.is_reset().then_some(());
    stage.guest().wait(PATIENCE, reset).unwrap();
    let left = stage.left();
    let of_metadata = |frame: &Vec<u8>| {
        Parsed::of(frame).is_some_and(|packet| packet.to == METADATA || packet.protocol == ICMP)
    };
    assert!(!left.iter().any(of_metadata), "{left:02x?}");
}

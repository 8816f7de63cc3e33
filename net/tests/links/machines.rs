//! One machine's network.

use std::{fs, io, net::UdpSocket, os::fd::AsFd as _};

use kiln_net::{
    host::Host,
    namespace::Namespace,
    network::{Network, NetworkError, TAP_PART},
    plan::HostNetwork,
    uplink::UplinkError,
};

use crate::stage::{CLOSED, POOL, POOL6, chain, host, inside, ip, make, network, say, until};

pub(crate) fn who_makes_one_stays_where_he_is() {
    let own = Namespace::own().unwrap().number().unwrap();
    let made = Namespace::make().unwrap();
    let there = made.enter(|| Namespace::own()?.number()).unwrap();
    assert_eq!(there, made.number().unwrap());
    assert_ne!(there, own);
    let failed = made.enter(|| Err::<(), _>(io::ErrorKind::NotFound.into())).unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::NotFound);
    let run = tempfile::tempdir().unwrap();
    let _network = make(&mut host(run.path(), &[POOL]), "one");
    assert_eq!(Namespace::own().unwrap().number().unwrap(), own);
}

pub(crate) fn it_is_what_it_says() {
    let run = tempfile::tempdir().unwrap();
    let mut host = host(run.path(), &[POOL]);
    let network = make(&mut host, "one");
    let lease = network.lease().clone();
    let address = lease.address.to_string();
    let link = ip(&format!("-d link show {}", lease.interface));
    for word in ["alias kiln 0badcafe one", "veth", "UP", "02:4b:69:6c:6e:03"] {
        assert!(link.contains(word), "{word}: {link}");
    }
    assert_eq!(ip(&format!("-o addr show dev {}", lease.interface)), "", "the host has no address");
    assert!(ip(&format!("route show {address}")).contains(&lease.interface));
    assert!(ip("neigh show").contains(&format!("{address} dev {}", lease.interface)));
    let rules = ip("rule show");
    for rule in [
        "100:\tfrom 203.0.113.0/24 fwmark 0x4b690000/0xffff0000 lookup main",
        "101:\tfrom 203.0.113.0/24 unreachable",
        "103:\tfrom 192.0.2.0/30 unreachable",
    ] {
        assert!(rules.contains(rule), "{rule}: {rules}");
    }
    let there = |line: &str| inside(&network, line);
    let rules = there("ip rule show");
    for rule in [
        "100:\tfrom all fwmark 0x4b690000/0xffff0000 iif guest lookup 100",
        "101:\tfrom all iif guest unreachable",
        "40000:\tfrom all lookup 100",
    ] {
        assert!(rules.contains(rule), "{rule}: {rules}");
    }
    let way = there("ip route show table 100");
    assert!(way.contains("default via 203.0.113.0 dev uplink") && way.contains("onlink"), "{way}");
    let main = there("ip route show table main");
    assert!(!main.contains("default"), "{main}");
    let guest = there("ip -d link show guest");
    assert!(guest.contains("02:4b:69:6c:6e:01") && guest.contains("tun type tap"), "{guest}");
    assert!(guest.contains("vnet_hdr on") && guest.contains("persist off"), "{guest}");
    assert!(there("ip addr show").contains("192.0.2.1 peer 192.0.2.2/32 scope global guest"));
    assert_eq!(there("ip -6 addr show"), "", "without a word there is no IPv6");
    assert!(there("ip neigh show").contains("192.0.2.2 dev guest lladdr 02:4b:69:6c:6e:02"));
    for (switch, value) in [
        ("ipv4.conf.all.forwarding", "0"),
        ("ipv4.conf.guest.forwarding", "1"),
        ("ipv4.conf.uplink.forwarding", "1"),
        ("ipv4.conf.all.rp_filter", "0"),
        ("ipv4.conf.guest.rp_filter", "1"),
        ("ipv4.conf.lo.forwarding", "0"),
    ] {
        assert_eq!(there(&format!("sysctl -n net.{switch}")).trim(), value, "{switch}");
    }
    let listening = there("ss -Hlntu");
    for socket in ["192.0.2.1:53", "192.0.2.1:5000", "192.0.2.1:15001"] {
        assert!(listening.contains(socket), "{socket}: {listening}");
    }
    assert_eq!(listening.lines().count(), 4, "{listening}");
    assert!(there("nft list tables").contains("table inet kiln_0badcafe"));
    let names: Vec<_> = network.parts().map(|(name, _)| name).collect();
    assert_eq!(names, [TAP_PART, "dns-udp", "dns-tcp", "splice", "registry"]);
    host.release_network(network).unwrap();
    assert!(!ip("link show").contains(&lease.interface));
    assert!(!ip("route show").contains(&address));
}

pub(crate) fn with_ipv6_too() {
    let run = tempfile::tempdir().unwrap();
    let mut host = host(run.path(), &[POOL, POOL6]);
    let network = make(&mut host, "one");
    let six = network.lease().address6.unwrap();
    assert!(six.to_string().starts_with("2001:db8:cafe::"), "{six}");
    assert!(ip(&format!("-6 route show {six}")).contains(&network.lease().interface));
    assert_eq!(ip(&format!("-o addr show dev {}", network.lease().interface)), "");
    assert!(ip("-6 rule show").contains("from 2001:db8:cafe::/64 unreachable"));
    let there = |line: &str| inside(&network, line);
    let addresses = there("ip -6 addr show");
    assert!(addresses.contains("fd4b:696c:6e::1 peer fd4b:696c:6e::2/128"), "{addresses}");
    assert!(!addresses.contains("fe80") && !addresses.contains("tentative"), "{addresses}");
    let rules = there("ip -6 rule show");
    assert!(rules.contains("101:\tfrom all iif guest unreachable"), "{rules}");
    assert!(there("ip -6 route show table 100").contains("default via 2001:db8:cafe:: dev uplink"));
    let listening = there("ss -Hlntu");
    assert_eq!(listening.matches("fd4b:696c:6e::1").count(), 4, "{listening}");
    assert_eq!(network.parts().count(), 9);
}

pub(crate) fn it_goes_with_its_last_descriptor() {
    let run = tempfile::tempdir().unwrap();
    let mut host = host(run.path(), &[POOL]);
    let mut network = make(&mut host, "one");
    let lease = network.lease().clone();
    let tap = network.parts().next().unwrap().1.try_clone_to_owned().unwrap();
    network.let_go_of_parts();
    assert!(inside(&network, "ip link show").contains("guest"));
    drop(tap);
    // The guest's end went with the VMM.
    assert!(!inside(&network, "ip link show").contains("guest"));
    drop(network);
    until("the uplink is gone", || !ip("link show").contains(&lease.interface));
    assert!(!ip("route show").contains(&lease.address.to_string()));
    assert!(!ip("neigh show").contains(&lease.address.to_string()));
}

/// A program that is none makes every step fail that needs it; nothing of the steps before is left.
pub(crate) fn one_that_fails_leaves_nothing() {
    let run = tempfile::tempdir().unwrap();
    let mut host = host(run.path(), &[POOL]);
    drop(host.make("one", &CLOSED).unwrap());
    until("it is gone", || {
        !ip("link show").contains("kdcafe") && !ip("link show").contains("kadcafe")
    });
    let before = (ip("-o link show"), ip("route show"), ip("neigh show"));
    // Rules that the kernel does not take: a name that is none.
    let broken = HostNetwork { instance: "no name".to_owned(), ..network("0badcafe", &[POOL]) };
    assert!(Host::prepare(broken, run.path()).is_err());
    // After the links are there.
    let failed = host.make(&"x".repeat(300), &CLOSED).unwrap_err();
    assert!(chain(&failed).contains("alias"), "{}", chain(&failed));
    assert_eq!((ip("-o link show"), ip("route show"), ip("neigh show")), before);
}

pub(crate) fn it_is_found_again_by_its_owner_alone() {
    let run = tempfile::tempdir().unwrap();
    let mut first = host(run.path(), &[POOL]);
    let one = make(&mut first, "one");
    let two = make(&mut first, "two");
    let copy = |network: &Network| Namespace::of(network.namespace()).unwrap();
    drop(first);
    // The next daemon of the home.
    let mut second = host(run.path(), &[POOL]);
    let found = second.find("one", copy(&one)).unwrap();
    assert_eq!(found.lease(), one.lease());
    assert_eq!(found.parts().count(), 0);
    for (machine, namespace) in [("one", copy(&two)), ("two", copy(&one)), ("", copy(&one))] {
        let refused = second.find(machine, namespace);
        assert!(matches!(refused, Err(NetworkError::Foreign { .. })), "{machine}: {refused:?}");
    }
    // A namespace of somebody else's, with a link of the name that leads to a link of ours.
    let strange = Namespace::make().unwrap();
    assert!(second.find("one", Namespace::of(strange.as_fd()).unwrap()).is_err());
    strange
        .enter(|| {
            ip("link add uplink type veth peer name other");
            Ok(())
        })
        .unwrap();
    assert!(second.find("one", strange).is_err());
    assert!(second.find("one", Namespace::own().unwrap()).is_err());
    let mut other = Host::prepare(network("0badbeef", &[POOL]), run.path()).unwrap();
    assert!(other.find("one", copy(&one)).is_err(), "another daemon has no part in it");
    second.sweep(&["two".to_owned()]).unwrap();
    let links = ip("link show");
    assert!(!links.contains(&one.lease().interface) && links.contains(&two.lease().interface));
    second.release_of("two").unwrap();
    assert!(!ip("link show").contains(&two.lease().interface));
}

pub(crate) fn links_of_others_are_never_touched() {
    let run = tempfile::tempdir().unwrap();
    let mut host = host(run.path(), &["203.0.113.0/29"]);
    let prefix = network("0badcafe", &[POOL]).prefix;
    // Of our names, without our alias, of another kind, of another daemon.
    let strangers: [(&str, &str, &str); 4] = [
        ("0", "bridge", "kiln 0badcafe one"),
        ("1", "veth", ""),
        ("2", "veth", "kiln 0badbeef one"),
        ("3", "veth", "kiln 0badcafe0 one"),
    ];
    for (name, kind, alias) in strangers {
        let name = format!("{prefix}{name}");
        ip(&format!("link add {name} type {kind}"));
        if !alias.is_empty() {
            let path = format!("/sys/class/net/{name}/ifalias");
            // As an operator would; in this namespace the files are another's.
            assert!(!fs::exists(path).unwrap_or(false));
            let set = std::process::Command::new("ip")
                .args(["link", "set", "dev", &name, "alias", alias])
                .status();
            assert!(set.unwrap().success());
        }
    }
    // Names that are taken are passed over.
    let one = make(&mut host, "one");
    let two = make(&mut host, "two");
    assert_ne!(one.lease().interface, two.lease().interface);
    host.release_of("one").unwrap();
    host.sweep(&[]).unwrap();
    let links = ip("link show");
    assert!(!links.contains(&one.lease().interface) && !links.contains(&two.lease().interface));
    for (name, ..) in strangers {
        assert!(links.contains(&format!("{prefix}{name}")), "{name}: {links}");
    }
}

pub(crate) fn a_pool_can_be_exhausted() {
    let run = tempfile::tempdir().unwrap();
    let mut host = host(run.path(), &["203.0.113.0/29"]);
    let mut made: Vec<_> = (0..6).map(|n| make(&mut host, &format!("m{n}"))).collect();
    let refused = host.make("one-more", &CLOSED).unwrap_err();
    assert!(
        matches!(refused, NetworkError::Uplink(UplinkError::NoAddress { count: 6 })),
        "{refused:?}"
    );
    let freed = made.remove(2);
    let address = freed.lease().address;
    host.release_network(freed).unwrap();
    assert_eq!(make(&mut host, "again").lease().address, address);
    // A gateway's socket is where it says, and another's is not.
    assert!(UdpSocket::bind("192.0.2.1:53").is_err());
    assert!(say("nft list tables").contains("kiln_0badcafe"));
}

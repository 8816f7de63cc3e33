//! What changes on a host while there are networks.

use kiln_net::watch::Changed;

use crate::stage::{Outside, POOL, host, ip, make, say};

pub(crate) fn what_appears_later_counts() {
    let run = tempfile::tempdir().unwrap();
    let mut host = host(run.path(), &["203.0.113.0/28"]);
    let one = make(&mut host, "one");
    assert_eq!(host.troubles(), [""; 0]);
    assert_eq!(host.look().unwrap(), Changed::default(), "our own are no news");
    // A link with an address, whose route covers a half of the pool.
    ip("link add late type veth");
    ip("addr add 198.51.100.9/24 dev late");
    ip("link set late up");
    ip("route add 203.0.113.8/29 dev late");
    let changed = host.look().unwrap();
    assert!(changed.addresses && changed.conflicts, "{changed:?}");
    let troubles = host.troubles();
    assert!(troubles.len() == 1 && troubles[0].contains("203.0.113.8/29 by late"), "{troubles:?}");
    for n in 0..6 {
        let network = make(&mut host, &format!("m{n}"));
        assert!(network.lease().address.octets()[3] < 8, "{:?}", network.lease());
        std::mem::forget(network);
    }
    drop(one);
    // An address of the host's own in the pool: told, as nothing that it sends arrives.
    ip("addr add 203.0.113.14/32 dev late");
    assert!(host.look().unwrap().addresses);
    assert!(host.troubles().iter().any(|trouble| trouble.contains("own address 203.0.113.14")));
    ip("link del late");
    let changed = host.look().unwrap();
    assert!(changed.addresses && changed.conflicts, "{changed:?}");
    assert_eq!(host.troubles(), [""; 0]);
    host.sweep(&[]).unwrap();
}

pub(crate) fn new_ways_out_forward() {
    let run = tempfile::tempdir().unwrap();
    let mut host = host(run.path(), &[POOL]);
    let _outside = Outside::new();
    let forwards = || say("sysctl -n net.ipv4.conf.wan.forwarding").trim().to_owned();
    assert_eq!(forwards(), "0");
    assert!(host.look().unwrap().outward);
    assert_eq!(forwards(), "1");
    // A link to private addresses alone is no way out.
    ip("link add inner type veth");
    ip("addr add 10.9.8.7/24 dev inner");
    ip("link set inner up");
    assert!(!host.look().unwrap().outward);
    assert_eq!(say("sysctl -n net.ipv4.conf.inner.forwarding").trim(), "0");
    host.release().unwrap();
    assert_eq!(forwards(), "0");
}

pub(crate) fn a_way_that_comes_back_forwards_again() {
    let run = tempfile::tempdir().unwrap();
    let mut outside = vec![Outside::new()];
    let mut host = host(run.path(), &[POOL]);
    let forwards = || say("sysctl -n net.ipv4.conf.wan.forwarding").trim().to_owned();
    for is_seen_to_go in [true, false] {
        assert_eq!(forwards(), "1");
        ip("link del wan");
        if is_seen_to_go {
            host.look().unwrap();
        }
        outside.push(Outside::new());
        assert_eq!(forwards(), "0");
        host.look().unwrap();
    }
    assert_eq!(forwards(), "1");
    host.release().unwrap();
    assert_eq!(forwards(), "0");
}

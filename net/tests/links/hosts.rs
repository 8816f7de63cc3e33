//! What daemons of one host share.

use std::collections::BTreeSet;

use kiln_net::{
    host::{Host, HostError, Released, clear},
    network::NetworkError,
    uplink::UplinkError,
};

use crate::stage::{CLOSED, Outside, POOL, host, ip, make, network, say};

pub(crate) fn two_daemons_share_no_address() {
    let (run, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The second sees neither the lock nor the state of the first, as from another root.
    for other in [run.path(), elsewhere.path()] {
        let mut first =
            Host::prepare(network("0badcafe", &["203.0.113.0/28"]), run.path()).unwrap();
        let mut second = Host::prepare(network("0badbeef", &["203.0.113.0/28"]), other).unwrap();
        let mut made = Vec::new();
        for n in 0..14 {
            let daemon = if n % 2 == 0 { &mut first } else { &mut second };
            made.push(make(daemon, &format!("m{n}")));
        }
        let addresses: BTreeSet<_> = made.iter().map(|network| network.lease().address).collect();
        assert_eq!(addresses.len(), 14);
        for daemon in [&mut first, &mut second] {
            let refused = daemon.make("more", &CLOSED);
            let expected = |error: &NetworkError| {
                matches!(error, NetworkError::Uplink(UplinkError::NoAddress { .. }))
            };
            assert!(refused.as_ref().is_err_and(expected), "{refused:?}");
        }
        // One takes away its own alone.
        first.sweep(&[]).unwrap();
        assert!(matches!(first.release().unwrap(), Released::Done));
        assert!(matches!(second.release().unwrap(), Released::Busy { .. }));
        assert!(ip("rule show").contains("from 203.0.113.0/28 unreachable"));
        second.sweep(&[]).unwrap();
        assert!(matches!(second.release().unwrap(), Released::Done));
        assert!(!ip("rule show").contains("203.0.113.0"));
        assert_eq!(say("nft list ruleset"), "");
    }
}

pub(crate) fn what_two_count_on_stays_for_the_other() {
    let run = tempfile::tempdir().unwrap();
    let _outside = Outside::new();
    let forwards = || say("sysctl -n net.ipv4.conf.wan.forwarding").trim().to_owned();
    assert_eq!(forwards(), "0");
    let mut first = host(run.path(), &[POOL]);
    let mut second = Host::prepare(network("0badbeef", &[POOL]), run.path()).unwrap();
    assert_eq!(forwards(), "1");
    first.release().unwrap();
    assert_eq!(forwards(), "1", "the other one's guests need it");
    second.release().unwrap();
    assert_eq!(forwards(), "0");
}

pub(crate) fn the_next_daemon_undoes_what_one_left() {
    let run = tempfile::tempdir().unwrap();
    let _outside = Outside::new();
    let before =
        (ip("rule show"), say("nft list ruleset"), say("sysctl -n net.ipv4.conf.wan.forwarding"));
    for _ in 0..3 {
        // As one that was killed.
        let mut host = host(run.path(), &[POOL]);
        drop(make(&mut host, "one"));
    }
    assert_eq!(ip("rule show").matches("from 203.0.113.0/24 unreachable").count(), 1);
    let mut next = host(run.path(), &[POOL]);
    next.sweep(&[]).unwrap();
    assert!(matches!(next.release().unwrap(), Released::Done));
    let after =
        (ip("rule show"), say("nft list ruleset"), say("sysctl -n net.ipv4.conf.wan.forwarding"));
    assert_eq!(before, after);
    assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), 1, "the lock alone");
}

pub(crate) fn one_without_networks_undoes_what_another_left() {
    let run = tempfile::tempdir().unwrap();
    let _outside = Outside::new();
    let seen = || {
        let forwards = say("sysctl -n net.ipv4.conf.wan.forwarding");
        (ip("rule show"), ip("-o link show type veth"), say("nft list ruleset"), forwards)
    };
    let before = seen();
    // As one that was killed under a machine that goes on.
    let mut first = host(run.path(), &[POOL]);
    let _machine = make(&mut first, "one");
    drop(first);
    assert_ne!(seen(), before);
    clear("0badbeef", run.path()).unwrap();
    assert_ne!(seen(), before, "another one's");
    for _ in 0..2 {
        clear("0badcafe", run.path()).unwrap();
        assert_eq!(seen(), before);
    }
}

pub(crate) fn an_address_of_the_hosts_own_is_refused() {
    let run = tempfile::tempdir().unwrap();
    let _outside = Outside::new();
    // A link that was made just now may not have its carrier yet.
    let seen = || (ip("rule show"), ip("route show").replace(" linkdown", ""));
    let before = seen();
    let refused = Host::prepare(network("0badcafe", &["198.51.100.0/24"]), run.path());
    let Err(error @ HostError::OwnAddress { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("--guest-pool"), "{error}");
    assert_eq!(seen(), before);
}

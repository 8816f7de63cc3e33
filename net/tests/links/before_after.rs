//! A host before a daemon's first network and after its last one.

use std::fs;

use kiln_net::host::Released;

use crate::stage::{Outside, POOL, POOL6, host, ip, make, say};

/// All of it that networks could change.
fn seen() -> Vec<(String, String)> {
    let mut seen: Vec<_> = [
        "ip -d link show",
        "ip addr show",
        "ip rule show",
        "ip -6 rule show",
        "ip route show table all",
        "ip -6 route show table all",
        "ip neigh show nud permanent",
        "nft list ruleset",
        "ss -Hlntu",
    ]
    .into_iter()
    .map(|line| (line.to_owned(), settled(&say(line))))
    .collect();
    seen.extend(switches());
    seen
}

/// Without what counts down by itself.
fn settled(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !word.ends_with("sec"));
    words.collect::<Vec<_>>().join(" ")
}

/// Every switch of networks, but for those that only count.
fn switches() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut directories = vec!["/proc/sys/net".into()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir::<std::path::PathBuf>(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if !path.ends_with("nf_conntrack_count")
                && let Ok(value) = fs::read_to_string(&path)
            {
                found.push((path.display().to_string(), value));
            }
        }
    }
    found.sort();
    found
}

fn check(pools: &[&str]) {
    let _outside = Outside::new();
    // One that forwards already is no concern of ours.
    ip("link add other type veth");
    ip("addr add 198.51.100.129/25 dev other");
    ip("link set other up");
    say("sysctl -qw net.ipv4.conf.other.forwarding=1");
    // Of somebody else.
    say("nft add table inet theirs");
    ip("rule add pref 104 from 198.51.100.77 lookup main");
    // It loads what it needs, and that is no matter of this host's namespace.
    let run = tempfile::tempdir().unwrap();
    warm(run.path(), pools);
    let before = seen();
    let mut host = host(run.path(), pools);
    let networks: Vec<_> = (0..5).map(|n| make(&mut host, &format!("m{n}"))).collect();
    assert!(matches!(host.release().unwrap(), Released::Busy { .. }));
    assert_ne!(seen(), before);
    for network in networks {
        host.release_network(network).unwrap();
    }
    assert!(matches!(host.release().unwrap(), Released::Done));
    for (was, is) in before.iter().zip(seen()) {
        assert_eq!(*was, is);
    }
    assert_eq!(before.len(), seen().len());
}

/// Modules of the kernel bring switches with them when they are first used.
fn warm(run: &std::path::Path, pools: &[&str]) {
    let mut host = host(run, pools);
    let network = make(&mut host, "warm");
    host.release_network(network).unwrap();
    host.release().unwrap();
}

pub(crate) fn nothing_is_left() {
    check(&[POOL]);
}

pub(crate) fn nothing_is_left_with_ipv6() {
    say("sysctl -qw net.ipv6.conf.all.disable_ipv6=0");
    check(&[POOL, POOL6]);
}

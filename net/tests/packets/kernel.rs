//! What is in the kernel is what was rendered, and nothing of anybody else's is touched.

use std::{io, process::Command};

use kiln_net::{
    namespace::Namespace,
    nft::{self, CommandError, NftError},
    plan::{Limits, Plan, Reach, TAP},
    ruleset::{self, Guard, Ruleset},
    seen, tap,
};

use crate::stage::{HOST, HOST6, INSTANCE, WIDE, lease, network};

const REACHES: [Reach; 3] = [Reach::Closed, Reach::Admitted, Reach::Internet];

fn rules(reach: Reach, six: bool) -> Ruleset {
    let plan = Plan { reach, limits: WIDE };
    ruleset::machine(&network(six), &plan, &lease(0, six), &[HOST, HOST6])
}

fn with_tap() -> (Namespace, std::os::fd::OwnedFd) {
    let namespace = Namespace::make().unwrap();
    let tap = namespace.enter(|| tap::make(TAP)).unwrap();
    (namespace, tap)
}

fn enter<T: Send>(namespace: &Namespace, work: impl FnOnce() -> T + Send) -> T {
    namespace.enter(|| Ok(work())).unwrap()
}

pub(crate) fn nft(namespace: &Namespace, command: &str) -> String {
    let arguments = match command.strip_prefix("-a ") {
        Some(command) => vec!["-a", command],
        None => vec![command],
    };
    let done = namespace.enter(|| Command::new("nft").args(arguments).output()).unwrap();
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Again and again, and over whatever was there.
pub(crate) fn what_is_applied_is_read_back() {
    let (namespace, _tap) = with_tap();
    enter(&namespace, || {
        for six in [false, true] {
            for reach in REACHES {
                let rules = rules(reach, six);
                nft::apply(&rules).unwrap();
                nft::apply(&rules).unwrap();
                nft::verify(&rules).unwrap();
                seen::read(INSTANCE).unwrap();
            }
            let guard = Guard {
                four: ["wan", "eth0.7"].map(str::to_owned).into(),
                six: six.then(|| "wan@x".to_owned()).into_iter().collect(),
                whole_six: six,
            };
            let rules = ruleset::host(&network(six), &guard);
            nft::apply(&rules).unwrap();
            let other = ruleset::host(&network(six), &Guard::default());
            assert!(matches!(nft::verify(&other), Err(NftError::Differs(_))));
            nft::apply(&other).unwrap();
        }
        nft::remove(INSTANCE).unwrap();
        nft::remove(INSTANCE).unwrap();
    });
    assert_eq!(nft(&namespace, "list ruleset"), "");
}

/// One thing changed at a time, by whomever.
pub(crate) fn what_differs_is_seen() {
    let changes = [
        "flush chain inet kiln_packets forward",
        "flush chain netdev kiln_packets frames",
        "flush chain inet kiln_packets answer",
        "add rule inet kiln_packets forward accept",
        "insert rule inet kiln_packets asked accept",
        "insert rule inet kiln_packets output accept",
        "insert rule netdev kiln_packets frames accept",
        "insert rule inet kiln_packets local tcp dport 22 accept",
        "add chain inet kiln_packets forward { policy accept; }",
        "add chain inet kiln_packets input { policy accept; }",
        "add chain netdev kiln_packets frames { policy accept; }",
        "add chain inet kiln_packets more",
        "add chain inet kiln_packets more { type filter hook forward priority -1; policy accept; }",
        "add chain inet kiln_packets more { type nat hook postrouting priority 10; policy accept; }",
        "delete element inet kiln_packets never4 { 10.0.0.0/8 }",
        "add element inet kiln_packets never4 { 8.8.8.0/24 }",
        "flush set inet kiln_packets never6",
        "delete element inet kiln_packets host4 { 203.0.113.1 }",
        "add element inet kiln_packets host6 { 2001:db8::5 }",
        "add set inet kiln_packets more { type ipv4_addr; }",
        "add counter inet kiln_packets more",
        "delete table netdev kiln_packets",
        "delete table inet kiln_packets",
        "flush ruleset",
    ];
    let (namespace, _tap) = with_tap();
    let rules = rules(Reach::Internet, true);
    for change in changes {
        enter(&namespace, || nft::apply(&rules)).unwrap();
        nft(&namespace, change);
        let found = enter(&namespace, || nft::verify(&rules));
        let gone = change.starts_with("delete table") || change == "flush ruleset";
        match found {
            Err(NftError::Differs(_)) if !gone => {}
            Err(NftError::Command(CommandError::Failed { .. })) if gone => {}
            other => panic!("{change}: {other:?}"),
        }
    }
    // What comes and goes by itself is no difference.
    enter(&namespace, || nft::apply(&rules)).unwrap();
    nft(
        &namespace,
        "add element inet kiln_packets allowed4 { 203.0.113.80 . tcp . 443 timeout 60s }",
    );
    nft(&namespace, "add element inet kiln_packets refused4 { 203.0.113.80 . tcp . 443 }");
    enter(&namespace, || nft::verify(&rules)).unwrap();
}

/// Each rule of each chain, in its place.
pub(crate) fn no_rule_is_missed() {
    let (namespace, _tap) = with_tap();
    for (reach, six) in [(Reach::Admitted, true), (Reach::Internet, false)] {
        let rules = rules(reach, six);
        enter(&namespace, || nft::apply(&rules)).unwrap();
        let mut handles = Vec::new();
        for family in ["inet", "netdev"] {
            let listed = nft(&namespace, &format!("-a list table {family} kiln_packets"));
            let mut chain = String::new();
            for line in listed.lines() {
                if let Some(named) = line.trim().strip_prefix("chain ") {
                    named.split(' ').next().unwrap().clone_into(&mut chain);
                } else if let Some((rule, handle)) = line.split_once(" # handle ") {
                    let is_rule = !["table", "set", "counter"]
                        .iter()
                        .any(|one| rule.trim().starts_with(one) && rule.ends_with('{'));
                    if is_rule && !chain.is_empty() {
                        handles.push((family, chain.clone(), handle.to_owned()));
                    }
                }
            }
        }
        assert!(handles.len() > 60, "{}", handles.len());
        for (family, chain, handle) in handles.iter().step_by(7) {
            nft(&namespace, &format!("delete rule {family} kiln_packets {chain} handle {handle}"));
            let found = enter(&namespace, || nft::verify(&rules));
            assert!(matches!(found, Err(NftError::Differs(_))), "{chain} {handle}: {found:?}");
        }
    }
}

/// Of others, in the same namespace, whatever their hooks and names.
pub(crate) fn tables_of_others_stay_as_they_are() {
    let (namespace, _tap) = with_tap();
    let others = "
        table inet kiln_packets2 {
            set never4 { type ipv4_addr; elements = { 192.0.2.7 }; }
            chain forward { type filter hook forward priority 0; policy drop; }
        }
        table inet filter {
            chain input { type filter hook input priority 0; policy accept; tcp dport 22 accept; }
        }
        table ip nat {
            chain POSTROUTING { type nat hook postrouting priority 100; masquerade; }
        }
        table ip kiln_packets {
            chain forward { type filter hook forward priority 0; }
        }
        table netdev other {
            chain frames { type filter hook ingress device guest priority 0; }
        }
        table arp kiln_packets {
            chain input { type filter hook input priority 0; }
        }
    ";
    let load = namespace.enter(|| {
        use io::Write as _;
        let mut nft =
            Command::new("nft").args(["-f", "-"]).stdin(std::process::Stdio::piped()).spawn()?;
        nft.stdin.take().unwrap().write_all(others.as_bytes())?;
        nft.wait_with_output()
    });
    assert!(load.unwrap().status.success());
    let before = nft(&namespace, "list ruleset");
    let all = [
        "inet kiln_packets2",
        "inet filter",
        "ip nat",
        "ip kiln_packets",
        "netdev other",
        "arp kiln_packets",
    ];
    let listed = || all.map(|table| nft(&namespace, &format!("list table {table}")));
    let of_others = listed();
    for reach in REACHES {
        enter(&namespace, || {
            nft::apply(&rules(reach, true)).unwrap();
            nft::host_addresses(INSTANCE, &[HOST]).unwrap();
            seen::read(INSTANCE).unwrap();
        });
        assert_eq!(listed(), of_others);
    }
    enter(&namespace, || {
        nft::apply(&ruleset::host(&network(true), &Guard::default())).unwrap();
        nft::remove(INSTANCE).unwrap();
    });
    assert_eq!(nft(&namespace, "list ruleset"), before);
}

/// Nothing is half there, and the command is told with its end.
pub(crate) fn what_fails_changes_nothing() {
    let namespace = Namespace::make().unwrap();
    // More than the kernel counts, in the last of the chains.
    let limits = Limits { bytes_per_second: u64::MAX, ..WIDE };
    let plan = Plan { reach: Reach::Closed, limits };
    let rules = ruleset::machine(&network(false), &plan, &lease(0, false), &[]);
    let failed = enter(&namespace, || nft::apply(&rules)).unwrap_err();
    let NftError::Command(CommandError::Failed { program, arguments, status, stderr }) = failed
    else {
        panic!("{failed:?}")
    };
    assert_eq!((program, &arguments[..]), ("nft", &["-f".to_owned(), "-".to_owned()][..]));
    assert!(!status.success() && stderr.contains("Error"), "{stderr}");
    assert_eq!(nft(&namespace, "list ruleset"), "");
    let missing = enter(&namespace, || seen::read(INSTANCE)).unwrap_err();
    assert!(matches!(missing, NftError::Command(CommandError::Failed { .. })), "{missing:?}");
    for name in ["", "a b", "x;flush", "x}", "ä", "x\n", &"x".repeat(200)] {
        let refused = enter(&namespace, || nft::remove(name));
        let refused = if name.is_empty() { continue } else { refused.unwrap_err() };
        assert!(matches!(refused, NftError::Name(_)), "{name:?}: {refused:?}");
    }
}

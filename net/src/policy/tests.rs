use proptest::prelude::*;

use super::{samples::*, *};
use crate::record::Transport;

fn refused(text: &str, words: &str) {
    let told = text.parse::<Policy>().unwrap_err().in_words();
    assert!(told.contains(words), "{text}: {told}");
}

#[test]
fn what_is_written_is_understood() {
    let check = |text: &str, shown: &str| assert_eq!(policy(text).to_string(), shown, "{text}");
    check("none", "none");
    check("record", "record");
    check("internet", "internet");
    check("allow=one.test", "allow=one.test:443");
    check("allow=ONE.Test.:443/TLS", "allow=one.test:443");
    check("allow=one.test:80", "allow=one.test:80");
    check("allow=one.test:80/tls", "allow=one.test:80/tls");
    check("allow=one.test/http", "allow=one.test:443/http");
    check("allow=*.one.test:22/tcp", "allow=*.one.test:22/tcp");
    check("allow=b.test, a.test:123/udp", "allow=a.test:123/udp,b.test:443");
    check("allow=xn--bcher-kva.test", "allow=xn--bcher-kva.test:443");
}

#[test]
fn what_is_wrong_is_told_with_what_to_write() {
    refused("", "write none, internet, record or allow=");
    refused("all", "no egress policy");
    refused("None", "no egress policy");
    refused("allow=", "names nothing");
    refused("allow=one.test,", "rule 2, \"\", cannot be used: it is empty");
    refused("allow=1.2.3.4", "name the host");
    refused("allow=1.2.3.4:80/tcp", "name the host");
    refused("allow=[2001:db8::1]:443", "2001:db8::1 is an address");
    refused("allow=2001:db8::1", "is an address");
    refused("allow=127.1", "name the host");
    refused("allow=0x7f000001", "name the host");
    refused("allow=one.test:0", "\"0\" is no port: 1 to 65535");
    refused("allow=one.test:65536", "no port");
    refused("allow=one.test:+80", "no port");
    refused("allow=one.test:", "no port");
    refused("allow=one.test:80-90", "no port");
    refused("allow=one.test/quic", "write /tls, /http, /tcp or /udp");
    refused("allow=one.test/", "no protocol");
    refused("allow=https://one.test/", "is a URL");
    for shut in ["53", "853", "53/tcp", "853/tls", "53/udp", "443/udp", "853/udp"] {
        refused(&format!("allow=one.test:{shut}"), "is shut wherever names decide");
    }
    refused("allow=*", "`record` for every name, or `internet`");
    refused("allow=*:443", "`record` for every name");
    refused("allow=a.*.test", "write *.NAME");
    refused("allow=*one.test", "write *.NAME");
    refused("allow=*.*.test", "write *.NAME");
    refused("allow=bücher.test", "xn--");
    refused("allow=one..test", "label");
    refused(
        "allow=one.test,two.test,ONE.test:443/tls",
        "rule 3, one.test:443, stands there already",
    );
    refused(&format!("allow={}", "x".repeat(2 << 20)), "longer than");
    refused(&format!("allow={}.test", "x".repeat(5000)), "253 bytes");
}

#[test]
fn a_file_has_a_rule_a_line() {
    let text = "# ours\n\none.test:443   # the registry\n  *.two.test:22/tcp\r\n";
    assert_eq!(Policy::from_lines(text).unwrap(), policy("allow=one.test,*.two.test:22/tcp"));
    let told = Policy::from_lines("one.test\n\n# no\n1.2.3.4\n").unwrap_err().in_words();
    assert!(told.starts_with("rule 4, \"1.2.3.4\""), "{told}");
    assert_eq!(Policy::from_lines("# nothing\n"), Err(InvalidPolicy::NoRules));
}

#[test]
fn there_are_at_most_a_thousand_rules() {
    let rules = |count| (0..count).map(|number| format!("h{number}.test"));
    assert_eq!(Policy::allow(rules(MAX_RULES)).unwrap().rules().len(), MAX_RULES);
    assert_eq!(Policy::allow(rules(MAX_RULES + 1)), Err(InvalidPolicy::TooMany));
}

#[test]
fn a_suffix_is_of_whole_labels_and_not_itself() {
    let suffix: Pattern = "*.one.test".parse().unwrap();
    for (text, expected) in [
        ("a.one.test", true),
        ("A.ONE.TEST", true),
        ("a.b.one.test", true),
        ("one.test", false),
        ("evil-one.test", false),
        ("xone.test", false),
        ("one.test.evil", false),
        ("test", false),
    ] {
        assert_eq!(suffix.matches(&name(text)), expected, "{text}");
    }
}

#[test]
fn a_name_is_reached_by_its_rules_alone() {
    let policy = policy("allow=one.test,one.test:80,*.one.test:22/tcp,one.test:123/udp");
    let decide = |text: &str, port| policy.decide(&name(text), port);
    assert_eq!(decide("one.test", 443), Decision::By(vec![Protocol::Tls]));
    assert_eq!(decide("one.test", 22), Decision::Refused);
    assert_eq!(decide("a.one.test", 22), Decision::By(vec![Protocol::Tcp]));
    assert!(decide("a.one.test", 22).admits(Protocol::Tls), "tcp looks at nothing");
    assert!(!decide("a.one.test", 22).admits(Protocol::Udp));
    assert!(!decide("one.test", 443).admits(Protocol::Tcp));
    assert!(policy.answers(&name("a.one.test")) && !policy.answers(&name("two.test")));
    let opening = |port, transport| Opening { ports: Ports::One(port), transport };
    let expected =
        [opening(80, Transport::Tcp), opening(123, Transport::Udp), opening(443, Transport::Tcp)];
    assert_eq!(policy.openings(&name("one.test")), expected);
    assert_eq!(policy.openings(&name("two.test")), []);
}

#[test]
fn endpoints_are_opened_by_the_policy_that_names_them() {
    let flag: EndpointFlag = "cache.kiln:80=127.0.0.1:8080".parse().unwrap();
    let all = [flag.endpoint];
    let opened = |text: &str| policy(text).endpoints(&all).len();
    assert_eq!(opened("none"), 0);
    assert_eq!(opened("allow=cache.kiln"), 0);
    assert_eq!(opened("allow=cache.kiln:80/udp"), 0);
    assert_eq!(opened("allow=cache.kiln:80"), 1);
    assert_eq!(opened("allow=*.kiln:80/tcp"), 1);
    assert_eq!(opened("record") + opened("internet"), 2);
    for (text, words) in [
        ("cache.kiln:80", "NAME:PORT=ADDRESS:PORT"),
        ("cache.kiln=127.0.0.1:80", "NAME:PORT=ADDRESS:PORT"),
        ("cache.kiln:0=127.0.0.1:80", "no port"),
        ("cache.kiln:53=127.0.0.1:80", "is shut"),
        ("10.0.0.1:80=127.0.0.1:80", "name the host"),
        ("cache.kiln:80=localhost:80", "no address with a port"),
        ("cache.kiln:80=127.0.0.1", "no address with a port"),
        ("cache.kiln:80=127.0.0.1:0", "no address with a port"),
        ("cache.kiln:80=0.0.0.0:80", "no address with a port"),
        ("cache.kiln:80=224.0.0.1:80", "no address with a port"),
    ] {
        let told = text.parse::<EndpointFlag>().unwrap_err().to_string();
        assert!(told.contains(words), "{text}: {told}");
    }
}

#[test]
fn a_ceiling_names_what_is_beyond_it() {
    let check = |ceiling: &str, asked: &str, words: Option<&str>| {
        let ceiling = Ceiling {
            widest: policy(ceiling),
            endpoints: vec![Endpoint { name: name("cache.kiln"), port: 80 }],
        };
        match (ceiling.covers(&policy(asked)), words) {
            (Ok(()), None) => {}
            (Err(beyond), Some(words)) => {
                assert!(beyond.to_string().contains(words), "{asked}: {beyond}");
            }
            (told, _) => panic!("{asked} under {ceiling:?}: {told:?}"),
        }
    };
    check("none", "none", None);
    check("none", "allow=one.test", Some("one.test:443 is beyond"));
    check("none", "record", Some("`record` is beyond what this host allows (`none`)"));
    check("none", "allow=cache.kiln:80/tcp", None);
    check("none", "allow=*.kiln:80/tcp", Some("*.kiln:80/tcp is beyond"));
    check("record", "allow=one.test:22/tcp", None);
    check("record", "allow=one.test:123/udp", Some("one.test:123/udp is beyond"));
    check("record", "internet", Some("`internet` is beyond"));
    check("internet", "internet", None);
    check("internet", "record", None);
    let some = "allow=*.one.test,two.test:22/tcp";
    check(some, "allow=a.one.test,two.test:22/tls", None);
    check(some, "allow=*.b.one.test", None);
    check(some, "allow=one.test", Some("one.test:443 is beyond"));
    check(some, "allow=a.one.test:444", Some("a.one.test:444 is beyond"));
    check(some, "allow=a.one.test/tcp", Some("a.one.test:443/tcp is beyond"));
    check(some, "record", Some("(`allow=two.test:22/tcp,*.one.test:443`)"));
}

proptest! {
    #[test]
    fn a_policy_reads_back_as_it_was(policy in policies()) {
        let read: Policy = policy.to_string().parse().unwrap();
        prop_assert_eq!(&read, &policy);
        if !policy.rules().is_empty() {
            let lines: Vec<_> = policy.rules().iter().map(Rule::to_string).collect();
            prop_assert_eq!(Policy::from_lines(&lines.join("\n")).unwrap(), policy);
        }
    }

    #[test]
    fn no_text_is_a_panic(text in "(allow=)?[-a-z0-9*.:/,\\[\\]# ßé\n]{0,60}") {
        let _ = Policy::from_lines(&text);
        let _ = text.parse::<EndpointFlag>();
        if let Ok(policy) = text.parse::<Policy>() {
            prop_assert_eq!(policy.to_string().parse::<Policy>().unwrap(), policy);
        }
    }

    #[test]
    fn case_and_a_final_dot_make_no_difference(rule in rules(), name in names()) {
        let loud = rule.to_string().to_ascii_uppercase();
        prop_assert_eq!(&loud.parse::<Rule>().unwrap(), &rule);
        let loud: crate::name::Name = format!("{}.", name.as_str().to_ascii_uppercase()).parse().unwrap();
        prop_assert_eq!(rule.pattern.matches(&loud), rule.pattern.matches(&name));
    }

    /// The heart of it: whatever a covered policy lets through, its ceiling does.
    #[test]
    fn what_is_covered_admits_no_more(
        widest in policies(),
        policy in policies(),
        name in names(),
        port in ports(),
        protocol in protocols(),
    ) {
        let ceiling = Ceiling { widest, endpoints: Vec::new() };
        if ceiling.covers(&policy).is_ok() {
            let asked = policy.decide(&name, port).admits(protocol);
            prop_assert!(!asked || ceiling.widest.decide(&name, port).admits(protocol));
            prop_assert!(!policy.answers(&name) || ceiling.widest.answers(&name));
            prop_assert!(policy.reach() <= ceiling.reach());
        }
    }

    /// And what is not covered admits more: a ceiling refuses nothing without a reason.
    #[test]
    fn what_is_refused_would_have_admitted_more(widest in policies(), policy in policies()) {
        let ceiling = Ceiling { widest, endpoints: Vec::new() };
        if let Err(BeyondCeiling::Rule { rule, .. }) = ceiling.covers(&policy) {
            let witness = match &rule.pattern {
                Pattern::Exact(name) => name.clone(),
                Pattern::Suffix(suffix) => name(&format!("witness.{suffix}")),
            };
            prop_assert!(policy.decide(&witness, rule.port).admits(rule.protocol));
            prop_assert!(!ceiling.widest.decide(&witness, rule.port).admits(rule.protocol));
        }
    }

    #[test]
    fn covering_is_reflexive_and_transitive(a in policies(), b in policies(), c in policies()) {
        let covers = |widest: &Policy, policy: &Policy| {
            Ceiling { widest: widest.clone(), endpoints: Vec::new() }.covers(policy).is_ok()
        };
        prop_assert!(covers(&a, &a));
        prop_assert!(!(covers(&a, &b) && covers(&b, &c)) || covers(&a, &c));
    }

    #[test]
    fn what_is_decided_is_opened(policy in policies(), name in names(), port in ports()) {
        let openings = policy.openings(&name);
        prop_assert_eq!(openings.is_empty(), policy.reach() != Reach::Admitted || !policy.answers(&name));
        let opened = |transport| {
            let covers = |ports| ports == Ports::Every || ports == Ports::One(port);
            openings.iter().any(|one| one.transport == transport && covers(one.ports))
        };
        for protocol in [Protocol::Tls, Protocol::Http, Protocol::Tcp, Protocol::Udp] {
            if policy.reach() == Reach::Admitted && policy.decide(&name, port).admits(protocol) {
                prop_assert!(opened(protocol.transport()));
            }
        }
    }
}

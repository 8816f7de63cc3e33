use proptest::prelude::*;

use super::*;
use crate::policy::samples::{name, rules};

fn to(host: &str, port: u16, protocol: Option<Protocol>) -> Destination {
    Destination {
        name: (!host.is_empty()).then(|| name(host)),
        address: "203.0.113.1".parse().unwrap(),
        port,
        transport: protocol.map_or(Transport::Tcp, Protocol::transport),
        protocol,
    }
}

fn lock(rules: &str) -> Lock {
    let mut lock = Lock::default();
    rules.split_whitespace().for_each(|rule| lock.insert(rule.parse().unwrap()));
    lock
}

#[test]
fn the_same_network_is_the_same_file() {
    let mut places = vec![
        to("two.test", 22, None),
        to("one.test", 443, Some(Protocol::Tls)),
        to("one.test", 80, Some(Protocol::Http)),
        to("one.test", 443, Some(Protocol::Tls)),
        to("two.test", 123, Some(Protocol::Udp)),
        to("", 443, Some(Protocol::Tls)),
        Destination { transport: Transport::Icmp, ..to("one.test", 0, None) },
    ];
    let expected = "\
# kiln-egress.lock version 1
# What a job reached over the network, as `kiln run --egress record` saw it.
# `kiln run --egress locked` allows this and nothing else. Keep it under version control.
one.test:80/http
one.test:443/tls
two.test:22/tcp
two.test:123/udp
# reached without a rule that could name it: 203.0.113.1:443 tcp
# reached without a rule that could name it: one.test at 203.0.113.1 icmp
";
    assert_eq!(Lock::of(places.clone()).unwrap().to_string(), expected);
    places.reverse();
    let lock = Lock::of(places).unwrap();
    assert_eq!(lock.to_string(), expected);
    assert_eq!(lock.remarks().count(), 2);
    let read: Lock = expected.parse().unwrap();
    assert_eq!(read.policy(), lock.policy());
    assert_eq!(
        read.policy().to_string(),
        "allow=one.test:80,one.test:443,two.test:22/tcp,two.test:123/udp"
    );
    assert_eq!(read.diff(&lock), Diff::default());
}

#[test]
fn a_job_that_reached_nothing_has_a_lockfile_too() {
    let lock = Lock::of([]).unwrap();
    assert_eq!(lock.policy(), Policy::None);
    assert_eq!(lock.to_string().parse::<Lock>().unwrap(), lock);
}

#[test]
fn only_what_was_written_is_read() {
    let check = |text: &str, words: &str| {
        let error = text.parse::<Lock>().unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error}: {}", source.unwrap_or_default());
        assert!(told.contains(words), "{text:?}: {told}");
    };
    check("", "no egress lockfile");
    check("one.test:443/tls\n", "first line is not `# kiln-egress.lock version 1`");
    check("# kiln-egress.lock version 2\n", "version \"2\"");
    let with = |line: &str| format!("{HEADER}{VERSION}\n# x\n\none.test:443/tls\n{line}\n");
    check(&with("one.test:443/tls"), "line 5, \"one.test:443/tls\", stands there already");
    check(&with("two.test"), "write two.test:443/tls");
    check(&with("two.test:443"), "write two.test:443/tls");
    check(&with("Two.test:443/tls"), "write two.test:443/tls");
    check(&with(" two.test:443/tls"), "line 5");
    check(&with("<<<<<<< HEAD"), "line 5, \"<<<<<<< HEAD\", cannot be used");
    check(&with("203.0.113.1:443/tcp"), "name the host");
    check(&with("two.test:443/tls # why"), "no protocol");
    check(&"x".repeat(MAX_BYTES + 1), "longer");
    let many: Vec<_> = (0..=MAX_RULES).map(|number| format!("h{number}.test:1/tcp\n")).collect();
    check(&format!("{HEADER}{VERSION}\n{}", many.concat()), "more than 1000 rules");
    let windows = with("two.test:22/tcp\r").parse::<Lock>().unwrap();
    assert_eq!(windows.policy().rules().len(), 2);
    let many = (0..=1000).map(|number| to(&format!("h{number}.test"), 1, None));
    assert_eq!(Lock::of(many), Err(TooMany));
}

#[test]
fn a_difference_is_lines_in_order() {
    let old = lock("one.test:443 b.test:80 two.test:22/tcp");
    let new = lock("one.test:443 a.test:80 two.test:22/tls");
    let diff = old.diff(&new);
    assert_eq!(
        diff.to_string(),
        "+a.test:80/http\n-b.test:80/http\n+two.test:22/tls\n-two.test:22/tcp"
    );
    assert_eq!((diff.added(), diff.removed()), (2, 2));
}

#[test]
fn a_run_differs_by_what_it_was_refused_and_did_not_use() {
    let lock = lock("one.test:443 *.two.test:22/tcp unused.test:443 dns.test:123/udp");
    let reached = [
        to("one.test", 443, Some(Protocol::Tls)),
        to("a.two.test", 22, None),
        // The kernel saw it, and could not tell its name.
        to("", 123, Some(Protocol::Udp)),
    ];
    let rule = |text: &str| Needed::Rule(text.parse().unwrap());
    let refused =
        [rule("new.test:443"), rule("b.two.test:22/tls"), Needed::Name(name("asked.test"))];
    let diff = lock.diff_to_run(&reached, &refused);
    assert_eq!(diff.to_string(), "+asked.test\n+new.test:443/tls\n-unused.test:443/tls");
}

proptest! {
    #[test]
    fn a_lockfile_reads_back_as_it_was(rules in proptest::collection::vec(rules(), 0..20)) {
        let mut lock = Lock::default();
        for rule in rules {
            lock.insert(rule);
        }
        let text = lock.to_string();
        let read: Lock = text.parse().unwrap();
        prop_assert_eq!(&read, &lock);
        prop_assert_eq!(read.to_string(), text);
        prop_assert!(lock.diff(&read).is_empty());
    }

    #[test]
    fn no_text_is_a_panic(text in "(# kiln-egress.lock version 1\n)?[-a-z0-9*.:/# \n]{0,80}") {
        let _ = text.parse::<Lock>();
    }
}

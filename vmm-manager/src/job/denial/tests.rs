use std::time::UNIX_EPOCH;

use kiln_net::record::Flow;
use proptest::prelude::*;

use super::*;
use crate::job::Step;

const END: u64 = 1000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn query(name: &str, last: u64) -> Refusal {
    Refusal {
        what: Refused::Query { name: name.to_owned(), kind: "A".to_owned() },
        reason: Reason::NotAllowed,
        times: 1,
        first: Some(at(last)),
        last: Some(at(last)),
    }
}

/// As the kernel saw it: nobody knows when.
fn connection(address: &str, port: u16) -> Refusal {
    let (address, transport) = (address.parse().unwrap(), Transport::Tcp);
    let what = Refused::Connection { name: None, address, port, transport };
    Refusal { what, first: None, last: None, ..query("", 0) }
}

fn flow(name: &str, first: u64, last: u64) -> Flow {
    Flow {
        name: Some(name.parse().unwrap()),
        address: "203.0.113.1".parse().unwrap(),
        port: 443,
        transport: Transport::Tcp,
        protocol: None,
        connections: 1,
        sent_bytes: 0,
        received_bytes: 0,
        first: at(first),
        last: at(last),
    }
}

fn record(refusals: &[Refusal], flows: &[Flow]) -> EgressRecord {
    let (refusals, flows) = (refusals.to_vec(), flows.to_vec());
    EgressRecord { refusals, flows, ..EgressRecord::default() }
}

fn failed() -> Failure {
    Failure::new(FailureClass::User, "the command exited with 6").with("step", Step::Work)
}

fn check(record: &EgressRecord, tail: &str, host: Option<&str>) {
    let failure = explained(failed(), record, tail.as_bytes(), at(END));
    assert_eq!(failure.details.get("host").map(String::as_str), host, "{tail:?}: {failure:?}");
    let expected = if host.is_some() { FailureClass::EgressDenied } else { FailureClass::User };
    assert_eq!(failure.class, expected);
    assert!(host.is_some() || failure == failed(), "nothing else changes");
    assert_eq!(failure.details["step"], "work");
}

#[test]
fn the_host_that_the_output_names_is_the_cause() {
    let record = record(&[query("one.test", 100), query("two.test", 200)], &[]);
    for (tail, host) in [
        ("curl: (6) Could not resolve host: one.test\n", Some("one.test")),
        ("Could not resolve host: One.TEST.", Some("one.test")),
        ("fatal: unable to access 'https://two.test/x.git/'", Some("two.test")),
        ("Failed: one.test\nthen two.test:443 failed\nmake: *** [all] Error 6", Some("two.test")),
        ("two.test, then one.test", Some("one.test")),
        ("assertion failed", None),
        ("a.one.test one.test.example xone.test one.test-x", None),
        ("", None),
    ] {
        check(&record, tail, host);
    }
    let long = format!("one.test\n{}", "x\n".repeat(TAIL_BYTES));
    check(&record, &long, None);
}

#[test]
fn a_bare_address_is_a_host() {
    let record = record(&[connection("203.0.113.9", 22), connection("2001:db8::9", 443)], &[]);
    check(&record, "connect to 203.0.113.9 port 22: refused", Some("203.0.113.9"));
    check(&record, "connect to [2001:db8::9]:443", Some("2001:db8::9"));
    check(&record, "connect to 203.0.113.90", None);
    check(&record, "nothing", None);
}

#[test]
fn a_refusal_at_the_very_end_is_the_cause() {
    check(&record(&[query("one.test", END - 2)], &[]), "failed", Some("one.test"));
    check(&record(&[query("one.test", END - 6)], &[]), "failed", None);
    let flows = [flow("two.test", 1, END - 1)];
    check(&record(&[query("one.test", END - 2)], &flows), "failed", None);
    let flows = [flow("two.test", 1, END - 3)];
    check(&record(&[query("one.test", END - 2)], &flows), "failed", Some("one.test"));
    check(&record(&[connection("203.0.113.9", 22)], &[]), "failed", None);
}

#[test]
fn what_was_no_denial_explains_nothing() {
    for reason in [Reason::QueryKind, Reason::Unreachable, Reason::Malformed] {
        let refusal = Refusal { reason, ..query("one.test", END) };
        check(&record(&[refusal], &[]), "one.test answered 404", None);
    }
    let reached_later = [flow("one.test", END - 50, END - 40)];
    check(&record(&[query("one.test", END - 60)], &reached_later), "one.test: 404", None);
    check(&EgressRecord::default(), "one.test", None);
}

#[test]
fn only_the_commands_own_failure_is_explained() {
    let record = record(&[query("one.test", END)], &[]);
    for class in [FailureClass::Oom, FailureClass::DiskFull, FailureClass::Infrastructure] {
        let failure = Failure::new(class, "one.test");
        assert_eq!(explained(failure.clone(), &record, b"one.test", at(END)), failure);
    }
    let failure = failed().with("reason", "not_found");
    assert_eq!(explained(failure.clone(), &record, b"one.test", at(END)), failure);
}

#[test]
fn the_words_say_what_to_write() {
    let told = |refusal: Refusal, tail: &str| {
        explained(failed(), &record(&[refusal], &[]), tail.as_bytes(), at(END)).message
    };
    let check = |refusal, tail, words: &str| {
        let told = told(refusal, tail);
        assert!(told.contains(words), "{told}");
    };
    check(query("one.test", END), "", "no rule like one.test:443");
    check(
        connection("203.0.113.9", 22),
        "203.0.113.9",
        "203.0.113.9:22: its egress policy reaches",
    );
    check(connection("2001:db8::9", 22), "2001:db8::9", "[2001:db8::9]:22");
    let mut named = connection("203.0.113.9", 8080);
    if let Refused::Connection { name, .. } = &mut named.what {
        *name = Some("one.test".to_owned());
    }
    check(named.clone(), "one.test", "no rule like one.test:8080");
    check(named.clone(), "to 203.0.113.9", "refused one.test:8080");
    let raw = Refusal { reason: Reason::NotTheProtocol, ..named };
    check(raw, "one.test", "/tcp");
    let never = Refusal { reason: Reason::Never, ..connection("169.254.169.254", 80) };
    check(never, "169.254.169.254", "--endpoint");
}

proptest! {
    #[test]
    fn no_output_is_a_panic(
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        host in "[a-zß.\\\\{}]{0,6}",
        ended in 0..2000_u64,
    ) {
        let record = record(&[query(&host, 1000), connection("::", 0)], &[]);
        let _ = explained(failed(), &record, &tail, at(ended));
    }
}

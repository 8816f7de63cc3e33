use std::time::UNIX_EPOCH;

use kiln_net::record::{Flow, Reason, Refusal, Refused, Transport};
use kiln_registry::{
    digest::Digest,
    record::{Kind, Origin},
};
use proptest::prelude::*;

use super::*;
use crate::{
    job::Step,
    registry::{self, Served},
};

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

fn network(record: &EgressRecord) -> Refusals<'_> {
    Refusals { network: Some(record), registry: None }
}

fn failed() -> Failure {
    Failure::new(FailureClass::User, "the command exited with 6").with("step", Step::Work)
}

fn check(record: &EgressRecord, tail: &str, host: Option<&str>) {
    let failure = explained(failed(), network(record), tail.as_bytes(), at(END));
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
        assert_eq!(explained(failure.clone(), network(&record), b"one.test", at(END)), failure);
    }
    let failure = failed().with("reason", "not_found");
    assert_eq!(explained(failure.clone(), network(&record), b"one.test", at(END)), failure);
}

#[test]
fn the_words_say_what_to_write() {
    let told = |refusal: Refusal, tail: &str| {
        explained(failed(), network(&record(&[refusal], &[])), tail.as_bytes(), at(END)).message
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

fn refused(repository: &str, target: &str, last: u64) -> registry::Refused {
    registry::Refused {
        registry: Some("registry.example:5443".parse().unwrap()),
        repository: repository.to_owned(),
        target: target.to_owned(),
        code: "DENIED".to_owned(),
        reason: "its egress policy has no rule like registry.example:5443".to_owned(),
        upstream_status: Some(403),
        retry_after_seconds: None,
        times: 1,
        first: at(last),
        last: at(last),
    }
}

fn served(repository: &str, tag: &str, last: u64) -> Served {
    Served {
        kind: Kind::Manifest,
        registry: Some("registry.example:5443".parse().unwrap()),
        repository: repository.to_owned(),
        tag: Some(tag.to_owned()),
        digest: Digest::of(b"m"),
        media_type: String::new(),
        bytes: 1,
        origin: Origin::Fetched,
        times: 1,
        first: at(last),
        last: at(last),
    }
}

fn registry_record(refusals: &[registry::Refused], materials: &[Served]) -> RegistryRecord {
    let (materials, refusals) = (materials.to_vec(), refusals.to_vec());
    RegistryRecord { materials, refusals, ..RegistryRecord::default() }
}

fn check_registry(
    network: &EgressRecord,
    registry: &RegistryRecord,
    tail: &str,
    expected: FailureClass,
) -> Failure {
    let refusals = Refusals { network: Some(network), registry: Some(registry) };
    let failure = explained(failed(), refusals, tail.as_bytes(), at(END));
    assert_eq!(failure.class, expected, "{tail:?}: {failure:?}");
    assert!(expected != FailureClass::User || failure == failed(), "nothing else changes");
    failure
}

#[test]
fn what_the_registry_did_not_serve_is_the_cause_where_the_output_names_it() {
    let nothing = EgressRecord::default();
    let record = registry_record(&[refused("team/app", "12", 10)], &[]);
    for (tail, class) in [
        ("registry.example:5443/team/app:12: 403 Forbidden", FailureClass::Registry),
        ("pull access denied for Team/App", FailureClass::Registry),
        ("its egress policy has no rule like registry.example:5443.", FailureClass::Registry),
        ("dial registry.example: refused", FailureClass::Registry),
        ("team/apple registry.example.com", FailureClass::User),
        ("assertion failed", FailureClass::User),
        ("", FailureClass::User),
    ] {
        check_registry(&nothing, &record, tail, class);
    }
    // A name of one word means anything, but not with what was asked for.
    let record = registry_record(&[refused("app", "12", 10)], &[]);
    check_registry(&nothing, &record, "the app failed", FailureClass::User);
    let failure = check_registry(&nothing, &record, "app:12: denied", FailureClass::Registry);
    let detail = |name: &'static str| failure.details[name].as_str();
    let told = [detail("host"), detail("repository"), detail("code"), detail("status")];
    assert_eq!(told, ["registry.example:5443", "app", "DENIED", "403"]);
    assert_eq!(detail("step"), "work");
    assert!(failure.message.contains("no rule like"), "{}", failure.message);
}

#[test]
fn the_last_thing_that_happened_is_the_cause() {
    let nothing = EgressRecord::default();
    let late = refused("team/app", "12", END - 2);
    let record = registry_record(std::slice::from_ref(&late), &[]);
    check_registry(&nothing, &record, "failed", FailureClass::Registry);
    let early = registry_record(&[refused("team/app", "12", END - 6)], &[]);
    check_registry(&nothing, &early, "failed", FailureClass::User);
    // Something was served after it, or flowed.
    let record = registry_record(std::slice::from_ref(&late), &[served("other", "1", END - 1)]);
    check_registry(&nothing, &record, "failed", FailureClass::User);
    let flowed = self::record(&[], &[flow("two.test", 1, END - 1)]);
    check_registry(&flowed, &registry_record(&[late], &[]), "failed", FailureClass::User);
}

#[test]
fn what_was_served_later_explains_nothing() {
    let nothing = EgressRecord::default();
    let tail = "registry.example:5443/team/app:12 was built, and then a test failed";
    let gone = refused("team/app", "12", END - 3);
    let record = registry_record(std::slice::from_ref(&gone), &[served("team/app", "12", END - 2)]);
    check_registry(&nothing, &record, tail, FailureClass::User);
    let other = registry_record(std::slice::from_ref(&gone), &[served("team/app", "13", END - 2)]);
    check_registry(&nothing, &other, tail, FailureClass::Registry);
    // A client looks whether something is there before it pushes it.
    let looked = registry::Refused { code: "BLOB_UNKNOWN".to_owned(), ..gone };
    let record = registry_record(&[looked], &[served("team/app", "13", END - 2)]);
    check_registry(&nothing, &record, tail, FailureClass::User);
}

#[test]
fn a_registry_that_was_asked_for_in_dns_as_well_is_no_denial_of_the_network() {
    let network = record(&[query("registry.example", END - 1)], &[]);
    let tail = "registry.example:5443/team/app:12: and then a test failed";
    let record = registry_record(&[], &[served("team/app", "12", END - 200)]);
    check_registry(&network, &record, tail, FailureClass::User);
    let record = registry_record(&[refused("team/app", "12", END - 200)], &[]);
    check_registry(&network, &record, tail, FailureClass::Registry);
    let empty = registry_record(&[], &[]);
    check_registry(&network, &empty, tail, FailureClass::EgressDenied);
    // docker.io is another host's to answer for.
    let docker = registry::Refused {
        registry: Some("docker.io".parse().unwrap()),
        ..refused("library/debian", "12", END - 200)
    };
    let network = self::record(&[query("registry-1.docker.io", END - 1)], &[]);
    let tail = "HEAD https://registry-1.docker.io/v2/library/debian/manifests/12: 403";
    check_registry(&network, &registry_record(&[docker], &[]), tail, FailureClass::Registry);
}

#[test]
fn of_two_that_are_named_the_later_one_is_the_cause() {
    let network = record(&[query("one.test", END - 9)], &[]);
    let registry = registry_record(&[refused("team/app", "12", END - 9)], &[]);
    check_registry(&network, &registry, "one.test, then team/app", FailureClass::Registry);
    check_registry(&network, &registry, "team/app, then one.test", FailureClass::EgressDenied);
}

proptest! {
    #[test]
    fn no_output_is_a_panic(
        tail in proptest::collection::vec(any::<u8>(), 0..200),
        host in "[a-zß.\\\\{}]{0,6}",
        ended in 0..2000_u64,
    ) {
        let record = record(&[query(&host, 1000), connection("::", 0)], &[]);
        let served = registry_record(&[refused(&host, &host, 1000)], &[]);
        let both = Refusals { network: Some(&record), registry: Some(&served) };
        let _ = explained(failed(), both, &tail, at(ended));
    }
}

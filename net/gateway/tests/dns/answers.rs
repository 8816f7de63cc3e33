//! What is answered, and what holds by then.

use std::time::{Duration, Instant};

use hickory_proto::{
    op::ResponseCode,
    rr::{RData, Record, RecordType, rdata::TXT},
};
use kiln_net::{
    control::Event,
    plan::Admission,
    policy::{Endpoint, Policy},
    record::Transport,
};

use crate::{
    daemon::{Admit, Answer, a, cname},
    gateway::{Setup, allow},
    guest::{addresses, ask, code, exchange, exchange_tcp, extended, is_refused, query},
};

#[test]
fn a_name_that_is_allowed_is_answered_when_the_kernel_has_its_addresses() {
    let gateway = Setup::of(allow()).start();
    gateway.memory.addresses("one.test", &["198.51.100.1", "198.51.100.2"]);
    gateway.memory.change(|world| world.admit = Admit::After(Duration::from_millis(300)));
    let began = Instant::now();
    let answer = ask(gateway.udp, "One.Test", RecordType::A);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(addresses(&answer), ["198.51.100.1", "198.51.100.2"]);
    // As it was asked.
    assert!(answer.answers[0].name.eq_case(answer.queries[0].name()));
    let mut opened: Vec<_> = gateway
        .memory
        .admitted()
        .into_iter()
        .map(|Admission { address, transport, port, seconds }| {
            assert!(seconds >= 60 + 300, "{seconds} seconds");
            (address.to_string(), transport, port)
        })
        .collect();
    opened.sort();
    let expected = ["198.51.100.1", "198.51.100.2"]
        .map(|address| [443, 8443].map(|port| (address.to_string(), Transport::Tcp, port)));
    assert_eq!(opened, expected.concat());
    let events = gateway.end();
    let answered: Vec<_> =
        events.iter().filter(|event| matches!(event, Event::Answered { .. })).collect();
    assert_eq!(answered.len(), 1, "{events:?}");
}

#[test]
fn what_is_not_admitted_is_not_told() {
    let gateway = Setup::of(allow()).start();
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    for admit in [Admit::Fail, Admit::Silence] {
        gateway.memory.change(|world| world.admit = admit);
        let answer = ask(gateway.udp, "one.test", RecordType::A);
        assert_eq!(code(&answer), ResponseCode::ServFail);
        assert_eq!(answer.answers.len(), 0);
    }
    // And it was not remembered as if it had been.
    gateway.memory.change(|world| world.admit = Admit::After(Duration::ZERO));
    let answer = ask(gateway.udp, "one.test", RecordType::A);
    assert_eq!(addresses(&answer), ["198.51.100.1"]);
}

#[test]
fn each_protocol_opens_its_transport() {
    let gateway = Setup::of(allow()).start();
    gateway.memory.addresses("time.test", &["198.51.100.3"]);
    assert_eq!(addresses(&ask(gateway.udp, "time.test", RecordType::A)), ["198.51.100.3"]);
    let admitted = gateway.memory.admitted();
    assert_eq!(admitted.len(), 1);
    assert_eq!((admitted[0].transport, admitted[0].port), (Transport::Udp, 123));
}

#[test]
fn policies_without_rules_open_every_port_or_nothing() {
    for (policy, expected) in
        [(Policy::Record, Some((Transport::Tcp, 0))), (Policy::Internet, None)]
    {
        let gateway = Setup::of(policy).start();
        gateway.memory.addresses("any.test", &["198.51.100.4"]);
        assert_eq!(addresses(&ask(gateway.udp, "any.test", RecordType::A)), ["198.51.100.4"]);
        let admitted = gateway.memory.admitted();
        let opened = admitted.first().map(|one| (one.transport, one.port));
        assert_eq!((opened, admitted.len() <= 1), (expected, true));
        assert!(gateway.end().iter().any(|event| matches!(event, Event::Answered { .. })));
    }
}

#[test]
fn many_who_ask_at_once_are_one_question() {
    let gateway = Setup::of(allow()).start();
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    gateway.memory.change(|world| world.slow = Duration::from_millis(300));
    std::thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| {
                let answer = ask(gateway.udp, "one.test", RecordType::A);
                assert_eq!(addresses(&answer), ["198.51.100.1"]);
            });
        }
    });
    assert_eq!(gateway.memory.asked().len(), 1);
    assert_eq!(gateway.memory.admitted().len(), 2);
    // And it is kept.
    ask(gateway.udp, "one.test", RecordType::A);
    assert_eq!(gateway.memory.asked().len(), 1);
}

#[test]
fn aliases_are_followed_and_told_as_the_asked_name() {
    let gateway = Setup::of(allow()).start();
    let memory = &gateway.memory;
    memory.answer(
        "one.test",
        RecordType::A,
        Answer::Records(vec![
            cname("one.test", "edge.cdn.test", 300),
            cname("edge.cdn.test", "pop.cdn.test", 20),
            a("pop.cdn.test", "198.51.100.7", 300),
            a("stranger.test", "198.51.100.66", 300),
        ]),
    );
    let answer = ask(gateway.udp, "one.test", RecordType::A);
    assert_eq!(addresses(&answer), ["198.51.100.7"]);
    assert_eq!(answer.answers.len(), 1);
    assert_eq!(answer.answers[0].name, *answer.queries[0].name());
    assert!(answer.answers[0].ttl <= 20);

    // A resolver that stops at the alias.
    memory.answer(
        "two.test",
        RecordType::A,
        Answer::Records(vec![cname("two.test", "far.cdn.test", 300)]),
    );
    memory.addresses("far.cdn.test", &["198.51.100.8"]);
    assert_eq!(addresses(&ask(gateway.udp, "two.test", RecordType::A)), ["198.51.100.8"]);
    // One that leads home.
    memory.answer(
        "time.test",
        RecordType::A,
        Answer::Records(vec![cname("time.test", "printer.LOCAL", 300)]),
    );
    memory.addresses("printer.local", &["198.51.100.9"]);
    let answer = ask(gateway.udp, "time.test", RecordType::A);
    assert_eq!(code(&answer), ResponseCode::NXDomain);
    assert!(!memory.asked().contains(&"printer.local.".to_string()));
    // What it led to is not allowed by that.
    let answer = ask(gateway.udp, "far.cdn.test", RecordType::A);
    assert!(is_refused(&answer));
}

#[test]
fn times_are_neither_too_short_nor_too_long() {
    let gateway = Setup::of(allow()).start();
    for (name, ttl, expected) in
        [("one.test", 0, 1..=5), ("two.test", 1_000_000, 290..=300), ("time.test", 100, 95..=100)]
    {
        let records = vec![a(name, "198.51.100.1", ttl)];
        gateway.memory.answer(name, RecordType::A, Answer::Records(records));
        let told = ask(gateway.udp, name, RecordType::A).answers[0].ttl;
        assert!(expected.contains(&told), "{name}: {told}");
    }
}

#[test]
fn what_is_not_there_is_told_so_and_kept() {
    let gateway = Setup::of(allow()).start();
    for _ in 0..3 {
        let answer = ask(gateway.udp, "one.test", RecordType::A);
        assert_eq!(code(&answer), ResponseCode::NXDomain);
    }
    assert_eq!(gateway.memory.asked().len(), 1);
    gateway.memory.answer("two.test", RecordType::A, Answer::Records(Vec::new()));
    let answer = ask(gateway.udp, "two.test", RecordType::A);
    assert_eq!((code(&answer), answer.answers.len()), (ResponseCode::NoError, 0));
    assert_eq!(gateway.refusals(), []);
}

#[test]
fn an_endpoint_is_the_gateway() {
    let mut setup = Setup::of(allow()).with_six();
    let name = "cache.kiln".parse().unwrap();
    setup.endpoints = vec![Endpoint { name, port: 8080 }];
    let gateway = setup.start();
    assert_eq!(addresses(&ask(gateway.udp, "cache.kiln", RecordType::A)), ["192.0.2.1"]);
    assert_eq!(addresses(&ask(gateway.udp, "cache.kiln", RecordType::AAAA)), ["2001:db8:1::1"]);
    assert_eq!(gateway.memory.asked(), [""; 0]);
    let ports: Vec<_> = gateway.memory.admitted().iter().map(|one| one.port).collect();
    assert_eq!(ports, [8080, 8080]);
    let answer = ask(gateway.udp, "cache.kiln", RecordType::TXT);
    assert!(is_refused(&answer));
}

#[test]
fn both_families_where_both_are_configured() {
    let gateway = Setup::of(allow()).with_six().start();
    let records = vec![a("one.test", "2001:db8:2::1", 60)];
    gateway.memory.answer("one.test", RecordType::AAAA, Answer::Records(records));
    assert_eq!(addresses(&ask(gateway.udp, "one.test", RecordType::AAAA)), ["2001:db8:2::1"]);
    assert_eq!(gateway.memory.admitted().len(), 2);
}

#[test]
fn what_is_too_large_for_a_datagram_is_asked_for_again() {
    let gateway = Setup::of(allow()).with_six().start();
    let name = format!("{}.wild.test", "long".repeat(15));
    let records = (0..16).map(|last| a(&name, &format!("2001:db8:2::{last:x}"), 60));
    gateway.memory.answer(&name, RecordType::AAAA, Answer::Records(records.collect()));
    let question = query(&name, RecordType::AAAA);
    let short = exchange(gateway.udp, &question);
    assert!(short.metadata.truncation);
    assert_eq!(short.answers.len(), 0);
    assert_eq!(exchange_tcp(gateway.tcp, &question).answers.len(), 16);
    assert_eq!(exchange(gateway.udp, &extended(question, 65_000)).answers.len(), 16);
}

#[test]
fn under_internet_the_common_kinds_are_answered_without_what_they_were_not_asked_for() {
    let gateway = Setup::of(Policy::Internet).start();
    let text = RData::TXT(TXT::new(vec!["v=spf1 -all".into()]));
    let records = vec![
        Record::from_rdata(crate::daemon::wire("one.test"), 60, text.clone()),
        a("evil.test", "198.51.100.6", 60),
    ];
    gateway.memory.answer("one.test", RecordType::TXT, Answer::Records(records));
    let answer = ask(gateway.udp, "one.test", RecordType::TXT);
    assert_eq!(answer.answers.len(), 1);
    assert_eq!(answer.answers[0].data, text);
    assert_eq!(gateway.memory.admitted(), []);
    // Names that would tell of the host's neighbours.
    for (name, kind) in [
        ("1.0.0.10.in-addr.arpa", RecordType::PTR),
        ("254.169.254.169.in-addr.arpa", RecordType::PTR),
        ("printer.local", RecordType::A),
        ("localhost", RecordType::A),
        ("intranet", RecordType::A),
        ("metadata.google.internal", RecordType::A),
    ] {
        let answer = ask(gateway.udp, name, kind);
        assert_eq!(code(&answer), ResponseCode::NXDomain, "{name}");
    }
    assert_eq!(gateway.memory.asked().len(), 1);
}

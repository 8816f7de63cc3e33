//! What a hostile guest asks to get something out, and what a hostile zone answers to get it in.
//! In every case the daemon's memory tells what left the host.

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{SOA, opt::EdnsOption},
    },
};
use kiln_net::{
    policy::{Pattern, Policy, Protocol, Rule},
    record::Reason,
};

use crate::{
    daemon::{Answer, a, cname, reply, respond, wire},
    gateway::{Gateway, Setup, allow},
    guest::{
        addresses, ask, code, exchange, exchange_tcp, hears_nothing, is_refused, query, query_of,
        send,
    },
};

fn started() -> Gateway {
    let gateway = Setup::of(allow()).start();
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    gateway
}

fn labels(labels: &[&[u8]]) -> Name {
    Name::from_labels(labels.iter().copied()).unwrap()
}

#[test]
fn names_that_no_rule_names_stay_here() {
    let gateway = started();
    let long = [b'a'; 63];
    let names: Vec<Name> = vec![
        wire("c2VjcmV0LWtleQ.evil.test"),
        wire("data.one.test"),
        wire("one.test.evil.test"),
        wire("xone.test"),
        wire("one.tes"),
        wire("test"),
        wire("wild.test"),
        wire("xwild.test"),
        wire("wild.test.evil.test"),
        wire("a.wild.test.evil"),
        Name::root(),
        wire("4.3.2.1.in-addr.arpa"),
        wire("254.169.254.169.in-addr.arpa"),
        wire("localhost"),
        wire("metadata.google.internal"),
        wire("169.254.169.254"),
        wire("2852039166"),
        wire("_ldap._tcp.dc.evil.test"),
        wire("xn--ne-fka.test"),
        labels(&[b"one.test"]),
        labels(&[b"a.wild", b"test"]),
        labels(&[b"a", b"wild.test"]),
        labels(&[b"one\0", b"test"]),
        labels(&[b"one ", b"test"]),
        labels(&["\u{43e}ne".as_bytes(), b"test"]),
        labels(&[b"\xff\xfe", b"wild", b"test"]),
        labels(&[b"*", b"wild", b"test"]),
        labels(&[b"-", b"wild", b"test"]),
        labels(&[&long, &long, &long, b"evil", b"test"]),
    ];
    let count = names.len() as u64;
    for name in names {
        for over_tcp in [false, true] {
            let question = query_of(name.clone(), RecordType::A);
            let answer = if over_tcp {
                exchange_tcp(gateway.tcp, &question)
            } else {
                exchange(gateway.udp, &question)
            };
            assert!(is_refused(&answer), "{answer}");
        }
    }
    assert_eq!(gateway.memory.asked(), [""; 0]);
    let refusals = gateway.refusals();
    let times: u64 = refusals.iter().map(|(.., times)| times).sum();
    assert_eq!(times, 2 * count, "{refusals:?}");
    assert!(refusals.iter().all(|(_, _, reason, _)| *reason == Reason::NotAllowed));
    assert!(refusals.iter().any(|(name, ..)| name == "c2vjcmv0lwtleq.evil.test"));
    assert!(refusals.iter().any(|(name, ..)| name == "a\\046wild.test"));
}

#[test]
fn no_policy_answers_nothing() {
    let gateway = Setup::of(Policy::None).start();
    for name in ["one.test", "localhost", "a.b.c.test"] {
        for kind in [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::HTTPS] {
            assert!(is_refused(&ask(gateway.udp, name, kind)), "{name} {kind}");
        }
    }
    assert_eq!(gateway.memory.asked(), [""; 0]);
    assert_eq!(gateway.refusals().len(), 12);
}

#[test]
fn kinds_that_carry_data_stay_here_even_for_names_that_are_allowed() {
    let gateway = started();
    let refused = [
        RecordType::TXT,
        RecordType::MX,
        RecordType::NS,
        RecordType::SOA,
        RecordType::SRV,
        RecordType::CNAME,
        RecordType::ANY,
        RecordType::AXFR,
        RecordType::IXFR,
        RecordType::NULL,
        RecordType::PTR,
        RecordType::HINFO,
        RecordType::NAPTR,
        RecordType::SSHFP,
        RecordType::TLSA,
        RecordType::CAA,
        RecordType::CERT,
        RecordType::Unknown(10_000),
        RecordType::Unknown(65_280),
    ];
    for kind in refused {
        let answer = ask(gateway.udp, "one.test", kind);
        if [RecordType::AXFR, RecordType::IXFR].contains(&kind) {
            assert_eq!(code(&answer), ResponseCode::Refused, "{kind}");
        } else {
            assert!(is_refused(&answer), "{kind}");
        }
    }
    for class in [DNSClass::CH, DNSClass::HS, DNSClass::ANY, DNSClass::Unknown(7)] {
        let mut question = Message::query();
        let mut of_class = Query::query(wire("one.test"), RecordType::A);
        of_class.set_query_class(class);
        question.add_query(of_class);
        assert_eq!(code(&exchange(gateway.udp, &question)), ResponseCode::Refused, "{class}");
    }
    // Those are asked for beside every address; there is nothing, and nobody was asked.
    for kind in [RecordType::AAAA, RecordType::HTTPS, RecordType::SVCB] {
        let answer = ask(gateway.udp, "one.test", kind);
        assert_eq!((code(&answer), answer.answers.len()), (ResponseCode::NoError, 0), "{kind}");
    }
    assert_eq!(gateway.memory.asked(), [""; 0]);
    let refusals = gateway.refusals();
    assert_eq!(refusals.iter().map(|(.., times)| times).sum::<u64>(), 19 + 4, "{refusals:?}");
    assert!(refusals.iter().all(|(_, _, reason, _)| *reason == Reason::QueryKind));
}

#[test]
fn nothing_of_a_message_leaves_but_the_name() {
    let gateway = started();
    let mut question = query("oNe.TeSt", RecordType::A);
    question.metadata.id = 0x4b4c;
    question.metadata.checking_disabled = true;
    question.metadata.authentic_data = true;
    let mut edns = Edns::new();
    edns.set_max_payload(4096).set_dnssec_ok(true);
    for option in [3, 8, 10, 12, 65_001] {
        edns.options_mut().insert(EdnsOption::Unknown(option, b"\0\x01\x20\0secret".to_vec()));
    }
    question.set_edns(edns);
    let mut bytes = question.to_vec().unwrap();
    bytes.extend(b"and a secret behind its end");
    let answer = crate::guest::hear(&send(gateway.udp, &bytes));
    assert_eq!(addresses(&answer), ["198.51.100.1"]);
    let asked = gateway.memory.change(|world| world.asked.clone());
    let [asked] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(asked.queries[0].name().eq_case(&wire("one.test")));
    assert!(!asked.metadata.checking_disabled && !asked.metadata.authentic_data);
    let edns = asked.edns.as_ref().unwrap();
    assert!(edns.options().as_ref().is_empty() && !edns.flags().dnssec_ok);
    let mut expected = query("one.test", RecordType::A);
    expected.metadata.id = asked.metadata.id;
    expected.set_edns({
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        edns
    });
    assert_eq!(asked.to_vec().unwrap(), expected.to_vec().unwrap());
}

#[test]
fn what_is_no_question_stays_here() {
    let gateway = started();
    let good = || query("one.test", RecordType::A);
    let with = |change: &dyn Fn(&mut Message)| {
        let mut message = good();
        change(&mut message);
        message.to_vec().unwrap()
    };
    let two = with(&|message| {
        message.add_query(Query::query(wire("c2VjcmV0.evil.test"), RecordType::A));
    });
    let none = with(&|message| message.queries.clear());
    let answered = with(&|message| {
        message.add_answer(a("one.test", "203.0.113.1", 60));
    });
    let authority = with(&|message| {
        message.add_authority(a("one.test", "203.0.113.1", 60));
    });
    let additional = with(&|message| {
        message.add_additional(a("c2VjcmV0.evil.test", "203.0.113.1", 60));
    });
    let mut lying = good().to_vec().unwrap();
    lying[5] = 0xff;
    let mut pointing = good().to_vec().unwrap();
    // A name that points at itself, and one that points behind itself.
    pointing.splice(12..22, [0xc0, 12]);
    let mut forward = good().to_vec().unwrap();
    forward.splice(12..22, [0xc0, 40]);
    let mut cut = good().to_vec().unwrap();
    cut.truncate(20);
    let mut long = good().to_vec().unwrap();
    long.resize(1300, 0);
    for (what, message) in [
        ("two questions", two),
        ("none", none),
        ("an answer within", answered),
        ("an authority within", authority),
        ("something added", additional),
        ("a header that lies", lying),
        ("a name that points at itself", pointing),
        ("a name that points forward", forward),
        ("half a question", cut),
        ("a long one", long),
    ] {
        let answer = crate::guest::hear(&send(gateway.udp, &message));
        assert_eq!(code(&answer), ResponseCode::FormErr, "{what}");
        assert_eq!(answer.queries.len(), 0, "{what}");
    }
    for code_of in [OpCode::Status, OpCode::Notify, OpCode::Update] {
        let message = with(&|message| message.metadata.op_code = code_of);
        let answer = crate::guest::hear(&send(gateway.udp, &message));
        assert_eq!(code(&answer), ResponseCode::NotImp, "{code_of:?}");
    }
    let answer = with(&|message| message.metadata.message_type = MessageType::Response);
    for silent in [answer, vec![], vec![0; 11], b"GET / HTTP/1.1\r\n"[..4].to_vec()] {
        assert!(hears_nothing(gateway.udp, &silent));
    }
    assert_eq!(gateway.memory.asked(), [""; 0]);
    // And it still answers.
    assert_eq!(addresses(&ask(gateway.udp, "one.test", RecordType::A)), ["198.51.100.1"]);
}

#[test]
fn private_addresses_are_never_told_nor_anything_beside_them() {
    let four = [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "192.0.0.192",
        "203.0.113.7",
        "192.0.2.1",
        "192.0.2.2",
    ];
    let six = [
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::10.0.0.1",
        "fe80::1",
        "fd00:ec2::254",
        "fc00::1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:a00:1::1",
        "2001::1",
        "ff02::1",
        "100::1",
        "fec0::1",
        "2001:db8:bad::1",
        "2001:db8:1::1",
    ];
    let four = four.map(|address| (RecordType::A, address, "198.51.100.9"));
    let six = six.map(|address| (RecordType::AAAA, address, "2001:db8:2::9"));
    // Alone, behind one that may be told, behind an alias, and where nobody asked for it.
    let ways: [Way; 4] = [
        |name, private, _| vec![a(name, private, 60)],
        |name, private, public| vec![a(name, public, 60), a(name, private, 60)],
        |name, private, _| vec![cname(name, "x.cdn.test", 60), a("x.cdn.test", private, 60)],
        |name, private, public| vec![a(name, public, 60), a("other.test", private, 60)],
    ];
    let mut cases = Vec::new();
    for (number, (kind, private, public)) in four.into_iter().chain(six).enumerate() {
        for (way, records) in ways.iter().enumerate() {
            let name = format!("n{number}-{way}.test");
            let records = records(&name, private, public);
            cases.push((name, kind, records));
        }
    }
    let rules = cases.iter().map(|(name, ..)| Rule {
        pattern: Pattern::Exact(name.parse().unwrap()),
        port: 443,
        protocol: Protocol::Tls,
    });
    let mut setup = Setup::of(Policy::Allow(rules.collect())).with_six();
    setup.never = vec!["203.0.113.0/24", "2001:db8:bad::/48"];
    let gateway = setup.start();
    assert_eq!(cases.len(), 128);
    for (name, kind, records) in cases {
        gateway.memory.answer(&name, kind, Answer::Records(records.clone()));
        let answer = ask(gateway.udp, &name, kind);
        assert!(is_refused(&answer), "{records:?}");
    }
    assert_eq!(gateway.memory.admitted(), []);
    let refusals = gateway.refusals();
    assert_eq!(refusals.len(), 128);
    assert!(refusals.iter().all(|(_, _, reason, _)| *reason == Reason::PrivateAnswer));
}

/// Of a name, a private address and a public one.
type Way = fn(&str, &str, &str) -> Vec<Record>;

/// From the question.
type Made = fn(&Message) -> Vec<u8>;

/// What a resolver, or who pretends to be one, answers instead.
#[test]
fn answers_that_answer_something_else_are_not_told() {
    let gateway = started();
    let other_id: Made = |question| {
        let mut bytes = honest(question);
        bytes[0] ^= 1;
        bytes
    };
    let cases: Vec<(&str, Made)> = vec![
        ("another id", other_id),
        ("a question", |question| {
            let mut bytes = honest(question);
            bytes[2] &= 0x7f;
            bytes
        }),
        ("another name", |question| {
            let mut message = respond(question, ResponseCode::NoError, records());
            message.queries = vec![Query::query(wire("two.test"), RecordType::A)];
            message.to_vec().unwrap()
        }),
        ("another kind", |question| {
            let mut message = respond(question, ResponseCode::NoError, records());
            message.queries = vec![Query::query(wire("one.test"), RecordType::AAAA)];
            message.to_vec().unwrap()
        }),
        ("two questions", |question| {
            let mut message = respond(question, ResponseCode::NoError, records());
            message.add_query(Query::query(wire("one.test"), RecordType::A));
            message.to_vec().unwrap()
        }),
        ("no question", |question| {
            let mut message = respond(question, ResponseCode::NoError, records());
            message.queries.clear();
            message.to_vec().unwrap()
        }),
        ("another operation", |question| {
            let mut message = respond(question, ResponseCode::NoError, records());
            message.metadata.op_code = OpCode::Notify;
            message.to_vec().unwrap()
        }),
        ("half", |question| {
            let mut message = respond(question, ResponseCode::NoError, records());
            message.metadata.truncation = true;
            message.to_vec().unwrap()
        }),
        ("aliases in a circle", |question| {
            reply(
                question,
                ResponseCode::NoError,
                vec![cname("one.test", "b.test", 60), cname("b.test", "one.test", 60)],
            )
        }),
        ("an alias of itself", |question| {
            reply(question, ResponseCode::NoError, vec![cname("one.test", "one.test", 60)])
        }),
        ("aliases without end", |question| {
            let next = |number| format!("n{number}.test");
            let mut records = vec![cname("one.test", "n0.test", 60)];
            records.extend((0..10).map(|number| cname(&next(number), &next(number + 1), 60)));
            records.push(a("n10.test", "198.51.100.1", 60));
            reply(question, ResponseCode::NoError, records)
        }),
        ("names that point at themselves", |question| {
            let mut bytes = honest(question);
            let answer = 12 + 10 + 4;
            bytes.splice(answer..answer + 2, [0xc0, 26]);
            bytes
        }),
        ("names that point forward", |question| {
            let mut bytes = honest(question);
            bytes.splice(26..28, [0xc0, 0xff]);
            bytes
        }),
        ("a header that lies", |question| {
            let mut bytes = honest(question);
            bytes[6..12].fill(0xff);
            bytes
        }),
        ("an address of three bytes", |question| {
            let mut bytes = honest(question);
            bytes.truncate(bytes.len() - 1);
            bytes
        }),
        ("too much", |question| {
            let mut bytes = honest(question);
            bytes.resize(20 << 10, 0);
            bytes
        }),
        ("too many", |question| {
            let records = (0..300).map(|_| a("one.test", "198.51.100.1", 60)).collect();
            reply(question, ResponseCode::NoError, records)
        }),
        ("nothing", |_| Vec::new()),
        ("noise", |_| vec![0x5a; 600]),
        ("a failure", |question| reply(question, ResponseCode::ServFail, Vec::new())),
        ("a refusal", |question| reply(question, ResponseCode::Refused, Vec::new())),
    ];
    let count = cases.len() as u64;
    for (what, bytes) in cases {
        gateway.memory.answer("one.test", RecordType::A, Answer::Bytes(bytes));
        let answer = ask(gateway.udp, "one.test", RecordType::A);
        assert_eq!(code(&answer), ResponseCode::ServFail, "{what}");
        assert_eq!(answer.answers.len(), 0, "{what}");
    }
    assert_eq!(gateway.memory.admitted(), []);
    // None of it was kept.
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    assert_eq!(addresses(&ask(gateway.udp, "one.test", RecordType::A)), ["198.51.100.1"]);
    let expected = ("one.test".to_string(), "A".to_string(), Reason::Malformed, count);
    assert_eq!(gateway.refusals(), [expected]);
}

#[test]
fn what_belongs_to_no_chain_is_not_told() {
    let gateway = started();
    let cases: Vec<Made> = vec![
        |question| {
            let records = vec![a("evil.test", "198.51.100.66", 60)];
            reply(question, ResponseCode::NoError, records)
        },
        |question| {
            let mut record = a("one.test", "198.51.100.66", 60);
            record.dns_class = DNSClass::CH;
            reply(question, ResponseCode::NoError, vec![record])
        },
        |question| {
            let mut message = respond(question, ResponseCode::NoError, Vec::new());
            message.add_additional(a("one.test", "198.51.100.66", 60));
            message.add_authority(a("one.test", "198.51.100.66", 60));
            message.to_vec().unwrap()
        },
        |question| {
            let zone = SOA::new(wire("a.test"), wire("b.test"), 1, 1, 1, 1, 1);
            let mut message =
                respond(question, ResponseCode::NoError, vec![cname("one.test", "b.test", 60)]);
            message.add_authority(Record::from_rdata(wire("test"), 60, RData::SOA(zone)));
            message.to_vec().unwrap()
        },
        |question| {
            let records = vec![a("one.test", "198.51.100.66", 60)];
            reply(question, ResponseCode::NXDomain, records)
        },
    ];
    for (number, bytes) in cases.into_iter().enumerate() {
        let name = format!("n{number}.wild.test");
        gateway.memory.answer(&name, RecordType::A, Answer::Bytes(bytes));
        let answer = ask(gateway.udp, &name, RecordType::A);
        assert_eq!(addresses(&answer), [""; 0], "{number}");
    }
    assert_eq!(gateway.memory.admitted(), []);
}

fn records() -> Vec<Record> {
    vec![a("one.test", "198.51.100.1", 60)]
}

fn honest(question: &Message) -> Vec<u8> {
    reply(question, ResponseCode::NoError, records())
}

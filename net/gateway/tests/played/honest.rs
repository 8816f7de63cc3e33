//! What honest guests ask and honest resolvers answer, in pieces that can be put together anyhow.

use hickory_proto::{
    op::{Edns, Message, OpCode, Query},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME, HTTPS, MX, SOA, SVCB, TXT, opt::EdnsOption, svcb::SvcParamKey},
    },
};

const NAMES: [&str; 9] = [
    "one.test",
    "a.w.test",
    "deep.er.w.test",
    "cache.kiln",
    "evil.test",
    "ONE.test",
    "1.113.0.203.in-addr.arpa",
    "localhost",
    "",
];
const KINDS: [RecordType; 9] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::HTTPS,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::ANY,
    RecordType::MX,
    RecordType::SOA,
    RecordType::PTR,
];

pub(crate) fn questions() -> Vec<Vec<u8>> {
    let mut questions = Vec::new();
    for name in NAMES {
        for kind in KINDS {
            let mut message =
                Message::new(0x4b49, hickory_proto::op::MessageType::Query, OpCode::Query);
            message.metadata.recursion_desired = true;
            message.add_query(Query::query(wire(name), kind));
            if questions.len() % 2 == 0 {
                let mut edns = Edns::new();
                edns.set_max_payload(1400);
                edns.options_mut().insert(EdnsOption::Unknown(10, vec![7; 8]));
                message.set_edns(edns);
            }
            questions.push(message.to_vec().unwrap());
        }
    }
    questions
}

/// Behind a header and a question: the code, how many records and how many of them are authorities,
/// and the records.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    let one = "one.test";
    vec![
        records(0, &[address(one, "198.51.100.1"), address(one, "198.51.100.2")], &[]),
        records(0, &[address(one, "2001:db8::1")], &[]),
        records(0, &[address("a.w.test", "198.51.100.3")], &[]),
        records(0, &[alias(one, "x.cdn.test"), address("x.cdn.test", "198.51.100.4")], &[]),
        records(0, &[alias(one, "x.cdn.test")], &[]),
        records(0, &[address("x.cdn.test", "198.51.100.5")], &[]),
        records(0, &[address(one, "10.0.0.1")], &[]),
        records(0, &[address(one, "198.51.100.1"), address(one, "169.254.169.254")], &[]),
        records(0, &[address(one, "::ffff:127.0.0.1")], &[]),
        records(0, &[alias(one, "a.w.test"), alias("a.w.test", one)], &[]),
        records(0, &[], &[zone()]),
        records(3, &[], &[zone()]),
        records(2, &[], &[]),
        records(0, &[of(one, RData::TXT(TXT::new(vec!["v=spf1 -all".into(); 3])))], &[]),
        records(0, &[of(one, RData::MX(MX::new(10, wire("mail.test"))))], &[]),
        records(0, &[service()], &[]),
        records(
            0,
            &(0..40).map(|last| address(one, &format!("198.51.100.{last}"))).collect::<Vec<_>>(),
            &[],
        ),
    ]
}

fn records(code: u8, answers: &[Record], authorities: &[Record]) -> Vec<u8> {
    let mut piece = vec![code];
    piece.extend([u8::try_from(answers.len()).unwrap(), u8::try_from(authorities.len()).unwrap()]);
    for record in answers.iter().chain(authorities) {
        let mut alone = Message::response(0, OpCode::Query);
        alone.add_answer(record.clone());
        let alone = alone.to_vec().unwrap();
        piece.extend(&alone[12..]);
    }
    piece
}

fn wire(name: &str) -> Name {
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    name
}

fn of(name: &str, data: RData) -> Record {
    Record::from_rdata(wire(name), 60, data)
}

fn address(name: &str, address: &str) -> Record {
    of(
        name,
        match address.parse().unwrap() {
            std::net::IpAddr::V4(four) => RData::A(A(four)),
            std::net::IpAddr::V6(six) => RData::AAAA(AAAA(six)),
        },
    )
}

fn alias(name: &str, target: &str) -> Record {
    of(name, RData::CNAME(CNAME(wire(target))))
}

fn zone() -> Record {
    of("test", RData::SOA(SOA::new(wire("a.test"), wire("b.test"), 1, 2, 3, 4, 5)))
}

fn service() -> Record {
    use hickory_proto::rr::rdata::svcb::{EchConfigList, SvcParamValue};

    let secret = SvcParamValue::EchConfigList(EchConfigList(vec![1, 2, 3, 4]));
    of(
        "one.test",
        RData::HTTPS(HTTPS(SVCB::new(
            1,
            wire("one.test"),
            vec![(SvcParamKey::EchConfigList, secret)],
        ))),
    )
}

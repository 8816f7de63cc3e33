//! A resolver of our own, on the loopback.

use std::{collections::HashMap, net::SocketAddr};

use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use tokio::{net::UdpSocket, task::JoinHandle};

use super::*;

fn record(name: &str, data: RData) -> Record {
    Record::from_rdata(wire_name(name).unwrap(), 60, data)
}

fn address(text: &str) -> RData {
    match text.parse().unwrap() {
        IpAddr::V4(four) => RData::A(A(four)),
        IpAddr::V6(six) => RData::AAAA(AAAA(six)),
    }
}

fn alias(target: &str) -> RData {
    RData::CNAME(CNAME(wire_name(target).unwrap()))
}

/// Answers with what it has for a kind, whatever the name; with `NXDOMAIN` for another kind.
async fn server(zone: HashMap<RecordType, Vec<Record>>) -> (SocketAddr, JoinHandle<()>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let asked = Message::from_vec(&buffer[..length]).unwrap();
            assert!(asked.metadata.recursion_desired);
            let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
            let query = asked.queries[0].clone();
            match zone.get(&query.query_type()) {
                Some(records) => drop(answer.add_answers(records.clone())),
                None => answer.metadata.response_code = ResponseCode::NXDomain,
            }
            answer.add_query(query);
            socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    (address, serving)
}

async fn check(
    records: &[(RecordType, &[(&str, RData)])],
    expected: Result<&[&str], io::ErrorKind>,
) {
    let zone = records.iter().map(|(kind, records)| {
        (*kind, records.iter().map(|(name, data)| record(name, data.clone())).collect())
    });
    let (address, _serving) = server(zone.collect()).await;
    let resolver = resolver(Some(&Resolvers::Named(vec![address])));
    let found = resolver.resolve("registry.example").await.map_err(|error| error.kind());
    let expected =
        expected.map(|all| all.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>());
    assert_eq!(found, expected);
}

#[tokio::test]
async fn both_kinds_of_addresses_are_found_over_aliases() {
    let four = [
        ("registry.example", alias("a.example")),
        ("a.example", alias("b.example")),
        ("other.example", address("192.0.2.66")),
        ("b.example", address("192.0.2.1")),
        ("b.example", address("192.0.2.2")),
    ];
    let six = [("registry.example", address("2001:db8::1"))];
    let both = [(RecordType::A, &four[..]), (RecordType::AAAA, &six[..])];
    check(&both, Ok(&["192.0.2.1", "192.0.2.2", "2001:db8::1"])).await;
    check(&both[..1], Ok(&["192.0.2.1", "192.0.2.2"])).await;
}

#[tokio::test]
async fn what_has_no_address_is_told() {
    check(&[], Err(io::ErrorKind::NotFound)).await;
    let circle = [("registry.example", alias("registry.example"))];
    check(&[(RecordType::A, &circle), (RecordType::AAAA, &[])], Ok(&[])).await;
}

#[test]
fn what_is_no_answer_to_this_is_not_taken() {
    let name = wire_name("registry.example").unwrap();
    let asked = question(&name, RecordType::A).unwrap();
    for answer in [&asked[..], b"", b"no answer at all", &vec![0; MAX_ANSWER_BYTES + 1]] {
        assert!(addresses(answer, &name, RecordType::A).is_err());
    }
    assert!(wire_name(&"a".repeat(300)).is_err());
}

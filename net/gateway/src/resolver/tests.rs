//! What takes a clock, or somebody who goes away half-way.

use std::{path::Path, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use hickory_proto::{
    op::{Message, OpCode, Query},
    rr::{Name, RData, Record, RecordType, rdata::A},
};
use kiln_net::{
    control::{Ask, GatewayConfig, Tell},
    plan::GuestLink,
    policy::{Pattern, Policy, Protocol, Rule},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::mpsc,
};

use super::*;
use crate::{control::Control, recorder::Recorder};

/// What the daemon was asked: `?` for a question, `+` for an admission with its seconds.
type Asks = mpsc::UnboundedReceiver<(char, u32)>;

fn resolver() -> (Resolver, Asks) {
    let rule = Rule {
        pattern: Pattern::Exact("one.test".parse().unwrap()),
        port: 443,
        protocol: Protocol::Tls,
    };
    let config = GatewayConfig {
        policy: Policy::Allow(vec![rule]),
        link: GuestLink {
            guest: [198, 19, 255, 254].into(),
            gateway: [198, 19, 255, 253].into(),
            six: None,
        },
        endpoints: Vec::new(),
        never: Vec::new(),
        connections: 16,
        registry: true,
        record: "/dev/null".into(),
        record_bytes: 0,
    };
    let control = Control::default();
    let recorder = Recorder::open(Path::new("/dev/null"), 0).unwrap();
    let gateway = Arc::new(Gateway::new(config, recorder, control.clone()));
    let (ours, theirs) = UnixStream::pair().unwrap();
    tokio::spawn(async move { control.converse(ours).await });
    let (sender, asks) = mpsc::unbounded_channel();
    tokio::spawn(daemon(theirs, sender));
    (Resolver::new(gateway), asks)
}

/// Says that `one.test` has one address for two minutes, after a second of thought.
async fn daemon(mut stream: UnixStream, asks: mpsc::UnboundedSender<(char, u32)>) {
    stream.write_all(b"{\"hello\":{}}\n").await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
        let tell = match serde_json::from_str(&line).unwrap() {
            Ask::Resolve { id, message } => {
                asks.send(('?', 0)).unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
                let asked = Message::from_vec(&STANDARD.decode(message).unwrap()).unwrap();
                let mut answer = Message::response(asked.metadata.id, OpCode::Query);
                answer.add_queries(asked.queries.clone());
                answer.add_answer(Record::from_rdata(
                    asked.queries[0].name().clone(),
                    120,
                    RData::A(A::new(198, 51, 100, 1)),
                ));
                Tell::Resolved { id, message: STANDARD.encode(answer.to_vec().unwrap()) }
            }
            Ask::Admit { id, admissions } => {
                asks.send(('+', admissions[0].seconds)).unwrap();
                Tell::Admitted { id }
            }
            Ask::Dial { .. } | Ask::Registry { .. } => panic!("nobody dials"),
        };
        let mut said = serde_json::to_vec(&tell).unwrap();
        said.push(b'\n');
        stream.write_all(&said).await.unwrap();
        line.clear();
    }
}

fn question(name: &str) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

/// The time that is told for its address.
async fn told(resolver: &Resolver) -> Option<u32> {
    let reply = resolver.answer(&question("one.test."), Most::Datagram).await.unwrap();
    Message::from_vec(&reply).unwrap().answers.first().map(|one| one.ttl)
}

fn drained(asks: &mut Asks) -> Vec<(char, u32)> {
    std::iter::from_fn(|| asks.try_recv().ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_told_with_what_is_left_of_it_and_asked_for_again() {
    let (resolver, mut asks) = resolver();
    assert_eq!(told(&resolver).await, Some(120));
    assert_eq!(drained(&mut asks), [('?', 0), ('+', 720)]);
    tokio::time::advance(Duration::from_secs(100)).await;
    assert_eq!(told(&resolver).await, Some(20));
    assert_eq!(drained(&mut asks), []);
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(told(&resolver).await, Some(120));
    // The old admission would have lasted, but not long enough beyond what is told now.
    assert_eq!(drained(&mut asks), [('?', 0)]);
    tokio::time::advance(Duration::from_secs(200)).await;
    assert_eq!(told(&resolver).await, Some(120));
    assert_eq!(drained(&mut asks), [('?', 0), ('+', 720)]);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_takes_nobody_along() {
    let (resolver, mut asks) = resolver();
    let spawn = || {
        let resolver = resolver.clone();
        tokio::spawn(async move { told(&resolver).await })
    };
    let first = spawn();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = spawn();
    tokio::time::sleep(Duration::from_millis(300)).await;
    first.abort();
    assert_eq!(second.await.unwrap(), Some(120));
    // The second asked for itself when the first was gone.
    assert_eq!(drained(&mut asks), [('?', 0), ('?', 0), ('+', 720)]);
    assert_eq!(resolver.shared.lookup.under_way(), 0);

    let alone = spawn();
    alone.abort();
    assert!(alone.await.is_err());
    assert_eq!(resolver.shared.lookup.under_way(), 0);
}

#[tokio::test(start_paused = true)]
async fn questions_are_counted_before_they_are_read() {
    let (resolver, _asks) = resolver();
    let mut answered = 0;
    for _ in 0..1000 {
        answered += usize::from(resolver.answer(b"no question", Most::Datagram).await.is_some());
        answered +=
            usize::from(resolver.answer(&question("evil.test."), Most::Datagram).await.is_some());
    }
    assert_eq!(answered, 200);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(told(&resolver).await.is_some());
}

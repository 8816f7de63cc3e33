//! Plays bytes to the whole resolver as a guest's question and a host's answers, and holds what it
//! does against what it may do.
//!
//! ```text
//! setting (1) │ length of the question (2) │ question │ answers: length (2), bytes …
//! ```
//!
//! Of the setting, two bits choose the policy, one turns IPv6 on, and two choose what is done to an
//! answer before it is given: nothing, the asked id put in, or header and question made to fit, so
//! that the bytes are records. One more sends the question over TCP.

use std::{collections::HashSet, net::IpAddr, path::Path, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use hickory_proto::{
    op::{Message, MessageType},
    rr::{RData, RecordType},
};
use kiln_gateway::{
    control::Control,
    gateway::Gateway,
    recorder::Recorder,
    resolver::{Most, Resolver},
};
use kiln_net::{
    control::{Ask, GatewayConfig, Tell},
    name::Name,
    plan::{GuestLink, GuestLink6},
    policy::{Endpoint, Pattern, Policy, Protocol, Rule},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

pub(crate) const ALLOW: u8 = 0;
pub(crate) const RECORD: u8 = 1;
pub(crate) const INTERNET: u8 = 2;
pub(crate) const NONE: u8 = 3;
pub(crate) const SIX: u8 = 4;
pub(crate) const AS_IT_IS: u8 = 0;
pub(crate) const WITH_ID: u8 = 8;
pub(crate) const WITH_QUESTION: u8 = 16;
pub(crate) const STREAM: u8 = 32;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum End {
    Silent,
    /// By its response code, and how many addresses were told.
    Told(u16, usize),
}

/// Panics where something holds not.
pub(crate) fn play(input: &[u8]) -> End {
    let Some((&setting, rest)) = input.split_first() else { return End::Silent };
    let (question, rest) = piece(rest);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(converse(setting, question, rest))
}

/// As the format above has it.
pub(crate) fn input(setting: u8, question: &[u8], answers: &[&[u8]]) -> Vec<u8> {
    let mut input = vec![setting];
    for piece in [&[question], answers].concat() {
        input.extend(u16::try_from(piece.len()).expect("short").to_be_bytes());
        input.extend(piece);
    }
    input
}

fn piece(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk() else { return (bytes, &[]) };
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    rest.split_at(length)
}

async fn converse(setting: u8, question: &[u8], answers: &[u8]) -> End {
    let control = Control::default();
    let recorder = Recorder::open(Path::new("/dev/null"), 1 << 20).expect("a recorder");
    let gateway = Arc::new(Gateway::new(config(setting), recorder, control.clone()));
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let most = if setting & STREAM == 0 { Most::Datagram } else { Most::Stream };
    let resolver = Resolver::new(Arc::clone(&gateway));
    let mut seen = Seen::default();
    let reply = tokio::select! {
        reply = resolver.answer(question, most) => reply,
        () = control.converse(ours) => panic!("the gateway hung up on its daemon"),
        () = daemon(theirs, setting, answers, &mut seen) => panic!("the daemon ended"),
    };
    seen.check(&gateway, question);
    let Some(reply) = reply else { return End::Silent };
    judge(&gateway, &seen, question, &reply, most)
}

/// What a daemon saw.
#[derive(Default)]
struct Seen {
    asked: Vec<Message>,
    admitted: HashSet<IpAddr>,
}

async fn daemon(mut stream: UnixStream, setting: u8, mut answers: &[u8], seen: &mut Seen) {
    stream.write_all(b"{\"hello\":{}}\n").await.expect("it is read");
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.expect("lines");
        let tell = match serde_json::from_str(&line).expect("an ask") {
            Ask::Resolve { id, message } => {
                let asked = STANDARD.decode(message).expect("base64");
                let (answer, rest) = piece(answers);
                answers = rest;
                let message = STANDARD.encode(fitted(setting, &asked, answer));
                seen.asked.push(Message::from_vec(&asked).expect("a question"));
                Tell::Resolved { id, message }
            }
            Ask::Admit { id, admissions } => {
                seen.admitted.extend(admissions.iter().map(|one| one.address));
                Tell::Admitted { id }
            }
            Ask::Dial { .. } | Ask::Registry { .. } => panic!("the resolver dials nobody"),
        };
        let mut said = serde_json::to_vec(&tell).expect("JSON");
        said.push(b'\n');
        stream.write_all(&said).await.expect("it is read");
    }
}

/// An answer as the setting wants it.
fn fitted(setting: u8, asked: &[u8], answer: &[u8]) -> Vec<u8> {
    let mut fitted = answer.to_vec();
    if setting & WITH_QUESTION != 0 {
        // Its id, and an answer without failure; how many records there are is the bytes' affair.
        let mut made = vec![asked[0], asked[1], 0x81, 0x80, 0, 1];
        let counts = answer.first_chunk::<3>().copied().unwrap_or_default();
        made[3] |= counts[0] & 3;
        made.extend([0, counts[1], 0, counts[2], 0, 0]);
        // Behind the question comes the record of its options, which has 11 bytes.
        made.extend(&asked[12..asked.len() - 11]);
        made.extend(answer.get(3..).unwrap_or_default());
        fitted = made;
    } else if setting & WITH_ID != 0 && fitted.len() >= 2 {
        fitted[..2].copy_from_slice(&asked[..2]);
    }
    fitted
}

impl Seen {
    /// Nothing left that may not.
    fn check(&self, gateway: &Gateway, question: &[u8]) {
        assert!(self.asked.len() <= 5, "{} questions for one", self.asked.len());
        let Some(first) = self.asked.first() else {
            // An endpoint is admitted without anybody having been asked.
            assert!(self.admitted.iter().all(|address| is_own(gateway, *address)));
            return;
        };
        let asked = Message::from_vec(question).expect("what was asked could be read");
        assert!(first.queries[0].name() == asked.queries[0].name());
        let name = text(first);
        assert_eq!(name, name.to_ascii_lowercase());
        let host: Name = name.parse().expect("only hosts are asked for");
        let kind = first.queries[0].query_type();
        assert_eq!(kind, asked.queries[0].query_type());
        match &gateway.config.policy {
            Policy::None => panic!("{name} was asked for"),
            Policy::Allow(_) => {
                assert!(gateway.rules(&host).next().is_some(), "{name} was asked for");
                assert!(matches!(kind, RecordType::A | RecordType::AAAA), "{kind} was asked for");
            }
            Policy::Record | Policy::Internet => {}
        }
        for message in &self.asked {
            assert!(message.answers.is_empty() && message.authorities.is_empty());
            assert!(message.edns.as_ref().is_some_and(|edns| edns.options().as_ref().is_empty()));
            assert_eq!(message.queries[0].query_type(), kind);
        }
        assert!(self.admitted.iter().all(|address| !gateway.never(*address)));
    }
}

fn judge(gateway: &Gateway, seen: &Seen, question: &[u8], reply: &[u8], most: Most) -> End {
    let told = Message::from_vec(reply).expect("what is told can be read");
    assert_eq!(told.metadata.message_type, MessageType::Response);
    assert_eq!(reply[..2], question[..2], "another id");
    if most == Most::Datagram {
        assert!(reply.len() <= 1232, "{} bytes in a datagram", reply.len());
    }
    let mut addresses = 0;
    for record in &told.answers {
        assert_eq!(&record.name, told.queries[0].name());
        assert_eq!(record.record_type(), told.queries[0].query_type());
        assert!(record.ttl <= 300);
        let address = match &record.data {
            RData::A(four) => IpAddr::V4(four.0),
            RData::AAAA(six) => IpAddr::V6(six.0),
            RData::HTTPS(_) | RData::SVCB(_) | RData::NULL(_) => panic!("{} is told", record.data),
            _ => continue,
        };
        addresses += 1;
        let is_own = is_own(gateway, address) && seen.asked.is_empty();
        assert!(is_own || !gateway.never(address), "{address} is told");
        if matches!(gateway.config.policy, Policy::Allow(_) | Policy::Record) || is_own {
            assert!(seen.admitted.contains(&address), "{address} is told before it is admitted");
        }
    }
    assert!(addresses <= 16);
    End::Told(told.metadata.response_code.into(), addresses)
}

fn is_own(gateway: &Gateway, address: IpAddr) -> bool {
    let link = &gateway.config.link;
    address == link.gateway || link.six.is_some_and(|six| address == six.gateway)
}

fn text(message: &Message) -> String {
    let text = message.queries[0].name().to_ascii();
    text.trim_end_matches('.').to_string()
}

fn config(setting: u8) -> GatewayConfig {
    let rule = |pattern, port, protocol| Rule { pattern, port, protocol };
    let name = |text: &str| -> Name { text.parse().expect("a name") };
    GatewayConfig {
        policy: match setting & 3 {
            ALLOW => Policy::Allow(vec![
                rule(Pattern::Exact(name("one.test")), 443, Protocol::Tls),
                rule(Pattern::Exact(name("one.test")), 123, Protocol::Udp),
                rule(Pattern::Suffix(name("w.test")), 80, Protocol::Http),
            ]),
            RECORD => Policy::Record,
            INTERNET => Policy::Internet,
            _ => Policy::None,
        },
        link: GuestLink {
            guest: [198, 19, 255, 254].into(),
            gateway: [198, 19, 255, 253].into(),
            six: (setting & SIX != 0).then(|| GuestLink6 {
                guest: "fd4b:696c:6e::2".parse().expect("an address"),
                gateway: "fd4b:696c:6e::1".parse().expect("an address"),
            }),
        },
        endpoints: vec![Endpoint { name: name("cache.kiln"), port: 80 }],
        never: vec!["203.0.113.0/24".parse().expect("a block")],
        connections: 16,
        registry: true,
        record: "/dev/null".into(),
        record_bytes: 1 << 20,
    }
}

//! A daemon that remembers what it was asked, and does what it is told to: also nothing, and wrong.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};
use kiln_net::{
    control::{Ask, Opening, Tell},
    plan::Admission,
};

/// How a question of the gateway's is answered.
#[derive(Clone)]
pub(crate) enum Answer {
    Records(Vec<Record>),
    Code(ResponseCode),
    /// Whatever bytes, made from the question.
    Bytes(fn(&Message) -> Vec<u8>),
    Fail,
    Silence,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Admit {
    After(Duration),
    Fail,
    Silence,
}

/// What it knows and has seen; the same after a restart.
pub(crate) struct World {
    answers: HashMap<(Name, RecordType), Answer>,
    pub(crate) admit: Admit,
    /// Before each answer.
    pub(crate) slow: Duration,
    pub(crate) asked: Vec<Message>,
    pub(crate) admitted: Vec<Admission>,
}

#[derive(Clone)]
pub(crate) struct Memory(Arc<Mutex<World>>);

pub(crate) struct Daemon {
    stream: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(World {
            answers: HashMap::new(),
            admit: Admit::After(Duration::ZERO),
            slow: Duration::ZERO,
            asked: Vec::new(),
            admitted: Vec::new(),
        })))
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// From now on.
    pub(crate) fn answer(&self, name: &str, kind: RecordType, answer: Answer) {
        self.change(|world| world.answers.insert((wire(name), kind), answer));
    }

    pub(crate) fn addresses(&self, name: &str, addresses: &[&str]) {
        let answer = Answer::Records(addresses.iter().map(|one| a(name, one, 60)).collect());
        self.answer(name, RecordType::A, answer);
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.change(|world| {
            world.asked.iter().map(|one| one.queries[0].name().to_string()).collect()
        })
    }

    pub(crate) fn admitted(&self) -> Vec<Admission> {
        self.change(|world| world.admitted.clone())
    }
}

impl Daemon {
    pub(crate) fn start(socket: &Path, memory: Memory) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        let mut hello = serde_json::to_vec(&Opening::Hello {}).unwrap();
        hello.push(b'\n');
        stream.write_all(&hello).unwrap();
        let reader = stream.try_clone().unwrap();
        let thread = std::thread::spawn(move || serve(reader, &memory));
        Self { stream, thread: Some(thread) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: UnixStream, memory: &Memory) {
    let writer = Arc::new(Mutex::new(stream.try_clone().unwrap()));
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let ask: Ask = serde_json::from_str(&line).expect("the gateway says what can be read");
        let (memory, writer) = (memory.clone(), Arc::clone(&writer));
        // Each on its own, so that a slow one keeps nobody waiting.
        std::thread::spawn(move || {
            let Some(tell) = tell(ask, &memory) else { return };
            let mut line = serde_json::to_vec(&tell).unwrap();
            line.push(b'\n');
            let _ = writer.lock().unwrap().write_all(&line);
        });
    }
}

fn tell(ask: Ask, memory: &Memory) -> Option<Tell> {
    match ask {
        Ask::Resolve { id, message } => {
            let question = Message::from_vec(&STANDARD.decode(message).unwrap()).unwrap();
            let query = question.queries[0].clone();
            let (answer, slow) = memory.change(|world| {
                world.asked.push(question.clone());
                let key = (query.name().clone(), query.query_type());
                (world.answers.get(&key).cloned(), world.slow)
            });
            std::thread::sleep(slow);
            let message = match answer.unwrap_or(Answer::Code(ResponseCode::NXDomain)) {
                Answer::Records(records) => reply(&question, ResponseCode::NoError, records),
                Answer::Code(code) => reply(&question, code, Vec::new()),
                Answer::Bytes(make) => make(&question),
                Answer::Fail => {
                    return Some(Tell::Failed { id, reason: "no resolver answers".into() });
                }
                Answer::Silence => return None,
            };
            Some(Tell::Resolved { id, message: STANDARD.encode(message) })
        }
        Ask::Admit { id, admissions } => match memory.change(|world| world.admit) {
            Admit::After(time) => {
                std::thread::sleep(time);
                memory.change(|world| world.admitted.extend(admissions));
                Some(Tell::Admitted { id })
            }
            Admit::Fail => Some(Tell::Failed { id, reason: "no room".into() }),
            Admit::Silence => None,
        },
        Ask::Dial { id, .. } | Ask::Registry { id } => {
            Some(Tell::Failed { id, reason: "nothing listens".into() })
        }
    }
}

pub(crate) fn reply(question: &Message, code: ResponseCode, records: Vec<Record>) -> Vec<u8> {
    respond(question, code, records).to_vec().unwrap()
}

pub(crate) fn respond(question: &Message, code: ResponseCode, records: Vec<Record>) -> Message {
    let mut message = Message::response(question.metadata.id, OpCode::Query);
    message.metadata.response_code = code;
    message.add_queries(question.queries.clone());
    message.add_answers(records);
    message
}

pub(crate) fn wire(name: &str) -> Name {
    let mut name = Name::from_ascii(name).unwrap();
    name.set_fqdn(true);
    name
}

pub(crate) fn a(name: &str, address: &str, ttl: u32) -> Record {
    let data = match address.parse().unwrap() {
        std::net::IpAddr::V4(four) => RData::A(four.into()),
        std::net::IpAddr::V6(six) => RData::AAAA(six.into()),
    };
    Record::from_rdata(wire(name), ttl, data)
}

pub(crate) fn cname(name: &str, target: &str, ttl: u32) -> Record {
    let target = hickory_proto::rr::rdata::CNAME(wire(target));
    Record::from_rdata(wire(name), ttl, RData::CNAME(target))
}

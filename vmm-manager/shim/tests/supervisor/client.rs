//! What a client is told.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
};

use kiln_shim::{Answer, Ask, Body, End, ExitRecord, Hello, MAJOR, MINOR, Request, SOCKET, line};

use crate::shim::{INSTANCE, PATIENCE, Shim, console, shell, until};

/// A client that keeps to the rules.
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
    id: u64,
}

impl Client {
    pub(crate) fn connect(shim: &Shim) -> Self {
        let mut client = Self::silent(shim);
        let hello = Hello { major: MAJOR, minor: MINOR, instance: INSTANCE.to_owned() };
        match client.say(&line(&hello)) {
            Body::Greeting(greeting) => assert_eq!(greeting.process, shim.process),
            other => panic!("{other:?}"),
        }
        client
    }

    pub(crate) fn silent(shim: &Shim) -> Self {
        let stream = UnixStream::connect(shim.file(SOCKET)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream), id: 0 }
    }

    /// Says a line and hears one.
    pub(crate) fn say(&mut self, line: &[u8]) -> Body {
        self.stream.get_mut().write_all(line).unwrap();
        self.hear().unwrap().body
    }

    pub(crate) fn hear(&mut self) -> Option<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    pub(crate) fn begin(&mut self, ask: &str) -> u64 {
        self.id += 1;
        let request = Request { id: self.id, ask: ask.to_owned() };
        self.stream.get_mut().write_all(&line(&request)).unwrap();
        self.id
    }

    pub(crate) fn ask(&mut self, ask: Ask) -> Body {
        let id = self.begin(ask.name());
        let answer = self.hear().unwrap();
        assert_eq!(answer.id, id);
        answer.body
    }

    pub(crate) fn end(&mut self, ask: Ask) -> ExitRecord {
        match self.ask(ask) {
            Body::Ended(record) => record,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn serial(&mut self) -> (Vec<u8>, u64) {
        match self.ask(Ask::Serial) {
            Body::Serial(serial) => (serial.bytes().unwrap(), serial.dropped),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_machine_is_told_about_and_ended() {
    let shim = Shim::of(vec![
        console("vmm", "echo hello; exec sleep 1000"),
        shell("bridge", "exec sleep 1000"),
    ]);
    let mut client = Client::connect(&shim);
    match client.ask(Ask::Status) {
        Body::Status(status) => {
            assert_eq!(status.children, shim.children);
            assert!(!status.stopping && status.ended.is_none());
        }
        other => panic!("{other:?}"),
    }
    until(|| (client.serial() == (b"hello\n".to_vec(), 0)).then_some(()));
    assert!(matches!(client.ask(Ask::Done), Body::Refused { .. }));
    let mut other = Client::connect(&shim);
    other.begin("wait");
    let exit = client.end(Ask::Kill);
    assert!(exit.stopping);
    assert_eq!(exit.child("vmm").unwrap().end, End::Signal(9));
    assert_eq!(exit.child("bridge").unwrap().end, End::Signal(9));
    assert_eq!(other.hear().unwrap().body, Body::Ended(exit.clone()));
    assert_eq!(client.end(Ask::Wait), exit);
    assert_eq!(shim.exit(), exit);
    assert_eq!(client.serial(), (b"hello\n".to_vec(), 0));
    assert_eq!(other.ask(Ask::Done), Body::Noted);
    shim.gone();
}

#[test]
fn the_true_cause_is_told() {
    let check = |vmm: &str, bridge: &str, first: &str, end: End, stderr: &str| {
        let shim = Shim::of(vec![shell("vmm", vmm), shell("bridge", bridge)]);
        let exit = Client::connect(&shim).end(Ask::Wait);
        let child = exit.child(first).unwrap();
        assert_eq!((exit.first.as_str(), child.end, child.stderr.as_str()), (first, end, stderr));
        assert!(!exit.stopping);
        assert_eq!(exit.children.len(), 2);
        assert_eq!(exit.process, shim.process);
    };
    let sleep = "exec sleep 1000";
    check("exit 0", sleep, "vmm", End::Code(0), "");
    check("echo oh >&2; exit 7", sleep, "vmm", End::Code(7), "oh");
    check("kill -9 $$", sleep, "vmm", End::Signal(9), "");
    check(sleep, "echo no >&2; kill -15 $$", "bridge", End::Signal(15), "no");
    check(sleep, "exit 1", "bridge", End::Code(1), "");
}

#[test]
fn an_end_that_was_announced_is_meant() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000")]);
    let mut client = Client::connect(&shim);
    assert_eq!(client.ask(Ask::Stopping), Body::Noted);
    crate::shim::signal(shim.pid("vmm"), rustix::process::Signal::TERM);
    let exit = client.end(Ask::Wait);
    assert!(exit.stopping, "{exit:?}");
}

#[test]
fn a_client_of_another_version_is_told_ours() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000")]);
    let hello = r#"{"major":2,"speaks":["cbor"],"minor":0,"instance":"x"}"#;
    let mut client = Client::silent(&shim);
    let version = Body::Version { major: MAJOR, minor: MINOR };
    assert_eq!(client.say(format!("{hello}\n").as_bytes()), version);
    assert!(client.hear().is_none());
    // Of the next minor version: what it adds is ignored or refused, the rest is served.
    let hello = format!("{{\"major\":1,\"minor\":9,\"instance\":\"{INSTANCE}\",\"new\":1}}\n");
    let mut client = Client::silent(&shim);
    assert!(matches!(client.say(hello.as_bytes()), Body::Greeting(_)));
    assert!(matches!(client.say(b"{\"id\":1,\"ask\":\"of_tomorrow\"}\n"), Body::Refused { .. }));
    assert!(matches!(client.say(b"{\"id\":2,\"ask\":\"status\",\"new\":{}}\n"), Body::Status(_)));
}

#[test]
fn a_client_of_another_home_is_not_served() {
    let shim = Shim::of(vec![shell("vmm", "exec sleep 1000")]);
    let hello = Hello { major: MAJOR, minor: MINOR, instance: "deadbeef".to_owned() };
    let mut client = Client::silent(&shim);
    assert!(matches!(client.say(&line(&hello)), Body::Refused { .. }));
    assert!(client.hear().is_none());
}

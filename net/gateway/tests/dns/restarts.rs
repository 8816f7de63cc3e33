//! A daemon that goes, comes back, or talks nonsense.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use hickory_proto::{op::ResponseCode, rr::RecordType};
use kiln_net::{control::MAX_LINE_BYTES, record::Reason};

use crate::{
    daemon::Answer,
    gateway::{Setup, allow},
    guest::{addresses, ask, code, hear, query, send},
};

#[test]
fn a_question_waits_for_a_daemon_that_comes_back() {
    let mut gateway = Setup::of(allow()).start_alone();
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    let question = query("one.test", RecordType::A).to_vec().unwrap();
    let waiting = send(gateway.udp, &question);
    std::thread::sleep(Duration::from_millis(500));
    gateway.connect();
    assert_eq!(addresses(&hear(&waiting)), ["198.51.100.1"]);

    // One that had heard of it, and dies before it answers.
    gateway.memory.answer("two.test", RecordType::A, Answer::Silence);
    let waiting = send(gateway.udp, &query("two.test", RecordType::A).to_vec().unwrap());
    while gateway.memory.asked().len() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    gateway.memory.addresses("two.test", &["198.51.100.2"]);
    gateway.connect();
    assert_eq!(addresses(&hear(&waiting)), ["198.51.100.2"]);
}

#[test]
fn without_a_daemon_questions_fail_and_what_is_known_is_answered() {
    let mut gateway = Setup::of(allow()).start();
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    ask(gateway.udp, "one.test", RecordType::A);
    gateway.daemon = None;
    assert_eq!(addresses(&ask(gateway.udp, "one.test", RecordType::A)), ["198.51.100.1"]);
    let began = Instant::now();
    let answer = ask(gateway.udp, "two.test", RecordType::A);
    assert_eq!(code(&answer), ResponseCode::ServFail);
    assert!((3..5).contains(&began.elapsed().as_secs()));
    // What needs nobody is told at once.
    let began = Instant::now();
    assert_eq!(code(&ask(gateway.udp, "evil.test", RecordType::A)), ResponseCode::NoError);
    assert!(began.elapsed() < Duration::from_secs(1));
    let refusals = gateway.refusals();
    assert!(refusals.iter().any(|one| one.0 == "two.test" && one.2 == Reason::Unreachable));
}

#[test]
fn a_daemon_that_fails_is_told_as_a_failure() {
    let gateway = Setup::of(allow()).start();
    gateway.memory.answer("one.test", RecordType::A, Answer::Fail);
    let began = Instant::now();
    let answer = ask(gateway.udp, "one.test", RecordType::A);
    assert_eq!(code(&answer), ResponseCode::ServFail);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_newest_daemon_counts() {
    let gateway = Setup::of(allow()).start();
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    // It says hello and nothing after; the one before is hung up on.
    let mut silent = UnixStream::connect(gateway.socket()).unwrap();
    silent.write_all(b"{\"hello\":{}}\n").unwrap();
    let waiting = send(gateway.udp, &query("one.test", RecordType::A).to_vec().unwrap());
    let mut line = [0; 16];
    silent.read_exact(&mut line).unwrap();
    assert!(line.starts_with(b"{\"resolve\":"));
    assert_eq!(gateway.memory.asked(), [""; 0]);
    drop(silent);
    assert_eq!(code(&hear(&waiting)), ResponseCode::ServFail);
}

#[test]
fn connections_that_say_nothing_we_know_are_closed() {
    let mut gateway = Setup::of(allow()).start();
    let closed = |said: &[u8]| {
        let mut stream = UnixStream::connect(gateway.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(7))).unwrap();
        let _ = stream.write_all(said);
        match stream.read(&mut [0; 16]) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    };
    for said in [
        &b"\n"[..],
        b"{}\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"{\"stream\":{\"id\":99}}\n",
        b"{\"hello\":{\"more\":1}}\n",
        &[b'x'; 4096],
        b"",
    ] {
        assert!(closed(said), "{:?}", String::from_utf8_lossy(said));
    }
    let mut endless = b"{\"hello\":{}}\n".to_vec();
    endless.resize(endless.len() + MAX_LINE_BYTES + 1, b'x');
    assert!(closed(&endless));
    assert!(closed(b"{\"hello\":{}}\n{\"admitted\":{\"id\":7}}\n{\"resolved\":7}\n"));
    // Who was the daemon before is not any more: the next is.
    gateway.connect();
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    assert_eq!(addresses(&ask(gateway.udp, "one.test", RecordType::A)), ["198.51.100.1"]);
}

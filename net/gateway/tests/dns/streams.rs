//! Over TCP.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use hickory_proto::{op::ResponseCode, rr::RecordType};

use crate::{
    gateway::{Setup, allow},
    guest::{addresses, code, connect, exchange_tcp, framed, is_refused, query, read},
};

#[test]
fn questions_in_one_piece_are_answered_in_turn() {
    let gateway = Setup::of(allow()).start();
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    let mut stream = connect(gateway.tcp);
    let questions: Vec<_> = (0..20)
        .map(|number| {
            let name = if number % 2 == 0 { "one.test" } else { "evil.test" };
            query(name, RecordType::A)
        })
        .collect();
    let bytes: Vec<u8> = questions.iter().flat_map(|one| framed(&one.to_vec().unwrap())).collect();
    stream.write_all(&bytes).unwrap();
    for (number, question) in questions.iter().enumerate() {
        let answer = read(&mut stream).unwrap();
        assert_eq!(answer.metadata.id, question.metadata.id);
        assert_eq!(code(&answer), ResponseCode::NoError);
        assert_eq!(is_refused(&answer), number % 2 == 1);
    }
}

#[test]
fn a_question_may_come_byte_by_byte() {
    let gateway = Setup::of(allow()).start();
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    let mut stream = connect(gateway.tcp);
    for byte in framed(&query("one.test", RecordType::A).to_vec().unwrap()) {
        stream.write_all(&[byte]).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(addresses(&read(&mut stream).unwrap()), ["198.51.100.1"]);
}

#[test]
fn who_is_slow_or_says_nothing_is_hung_up_on() {
    let gateway = Setup::of(allow()).start();
    let began = Instant::now();
    let half = framed(&query("one.test", RecordType::A).to_vec().unwrap());
    let mut streams: Vec<TcpStream> = [&half[..0], &half[..1], &half[..2], &half[..20]]
        .map(|said| {
            let mut stream = connect(gateway.tcp);
            stream.write_all(said).unwrap();
            stream
        })
        .into();
    for stream in &mut streams {
        assert!(matches!(stream.read(&mut [0; 1]), Ok(0)));
    }
    assert!(began.elapsed() < Duration::from_secs(7));
}

#[test]
fn lengths_that_no_question_has_end_the_stream() {
    let gateway = Setup::of(allow()).start();
    for said in [&b"\0\0"[..], b"\0\x05hello", b"\xff\xff", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = connect(gateway.tcp);
        stream.write_all(said).unwrap();
        assert!(!matches!(stream.read(&mut [0; 1]), Ok(1)), "{said:?}");
    }
    assert_eq!(gateway.memory.asked(), [""; 0]);
}

#[test]
fn idle_streams_take_no_place_for_good() {
    let gateway = Setup::of(allow()).start();
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    let idle: Vec<_> = (0..64).map(|_| connect(gateway.tcp)).collect();
    // Two rounds of those that hang, each as long as an idle one may be.
    let began = Instant::now();
    let mut stream = connect(gateway.tcp);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let question = query("one.test", RecordType::A);
    stream.write_all(&framed(&question.to_vec().unwrap())).unwrap();
    assert_eq!(addresses(&read(&mut stream).unwrap()), ["198.51.100.1"]);
    assert!(began.elapsed() < Duration::from_secs(15));
    drop(idle);
    assert_eq!(code(&exchange_tcp(gateway.tcp, &question)), ResponseCode::NoError);
}

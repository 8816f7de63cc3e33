//! Whoever asks too much hears less, and is counted.

use std::time::{Duration, Instant};

use hickory_proto::{op::ResponseCode, rr::RecordType};
use kiln_net::record::Reason;

use crate::{
    daemon::Answer,
    gateway::{Setup, allow},
    guest::{addresses, ask, code, is_refused, query, send},
};

#[test]
fn names_that_are_made_up_below_a_suffix_run_out() {
    let gateway = Setup::of(allow()).start();
    let mut told = 0;
    for number in 0..200 {
        let name = format!("chunk{number}.wild.test");
        let answer = ask(gateway.udp, &name, RecordType::A);
        match code(&answer) {
            ResponseCode::NXDomain => told += 1,
            _ => assert!(is_refused(&answer), "{answer}"),
        }
    }
    assert_eq!(gateway.memory.asked().len(), told);
    assert!((128..=140).contains(&told), "{told} names left");
    // Those that were asked for before, and those by rules of their own, go on.
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    assert_eq!(addresses(&ask(gateway.udp, "one.test", RecordType::A)), ["198.51.100.1"]);
    let again = ask(gateway.udp, "chunk0.wild.test", RecordType::A);
    assert_eq!(code(&again), ResponseCode::NXDomain);
    let refusals = gateway.refusals();
    assert_eq!(refusals.len(), 200 - told);
    assert!(refusals.iter().all(|(_, _, reason, _)| *reason == Reason::Limit));
}

#[test]
fn names_full_of_data_are_refused_at_once() {
    let gateway = Setup::of(allow()).start();
    let long = format!("{}.{}.{}.wild.test", "a".repeat(63), "b".repeat(63), "c".repeat(63));
    assert!(is_refused(&ask(gateway.udp, &long, RecordType::A)));
    let deep = format!("{}wild.test", "a.".repeat(60));
    assert!(is_refused(&ask(gateway.udp, &deep, RecordType::A)));
    assert_eq!(gateway.memory.asked(), [""; 0]);
}

#[test]
fn a_flood_is_not_answered_and_counted() {
    let gateway = Setup::of(allow()).start();
    let question = query("evil.test", RecordType::A).to_vec().unwrap();
    let socket = send(gateway.udp, &question);
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let began = Instant::now();
    let heard = std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..3000 {
                socket.send(&question).unwrap();
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        std::iter::from_fn(|| socket.recv(&mut [0; 512]).ok()).count() as u64
    });
    let most = 400 + began.elapsed().as_secs() * 200 + 200;
    assert!((400..=most).contains(&heard), "heard {heard} answers, expected at most {most}");
    let peak = gateway.memory_peak();
    assert!(peak < 16 << 10, "{peak} KiB");
    // It goes on afterwards.
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    assert_eq!(addresses(&ask(gateway.udp, "one.test", RecordType::A)), ["198.51.100.1"]);
    let refusals = gateway.refusals();
    assert!(refusals.iter().any(|(name, _, reason, times)| {
        name == "*" && *reason == Reason::Limit && *times > 1000
    }));
}

#[test]
fn questions_that_nobody_answers_leave_room_for_others() {
    let gateway = Setup::of(allow()).start();
    let waiting: Vec<_> = (0..100)
        .map(|number| {
            let name = format!("n{number}.wild.test");
            gateway.memory.answer(&name, RecordType::A, Answer::Silence);
            send(gateway.udp, &query(&name, RecordType::A).to_vec().unwrap())
        })
        .collect();
    let began = Instant::now();
    let codes: Vec<_> = waiting.iter().map(|socket| code(&crate::guest::hear(socket))).collect();
    assert!(codes.iter().all(|code| *code == ResponseCode::ServFail), "{codes:?}");
    assert!(began.elapsed() < Duration::from_secs(7));
    assert_eq!(gateway.memory.asked().len(), 48);
    let refusals = gateway.refusals();
    let of = |reason| refusals.iter().filter(|one| one.2 == reason).count();
    assert_eq!((of(Reason::Unreachable), of(Reason::Limit)), (48, 52));
}

//! Agents that keep to HTTP/2 and gRPC and break the protocol above.

use kiln_proto::agent::{MAX_CHUNK_BYTES, MAX_MESSAGE_BYTES};

use crate::{
    agent::{EXEC, Guest, HELLO, exit, hello, refusal, start, stderr, stdout},
    frame::{bytes, message, number, varint},
    judge::check,
};

/// A message that is none.
const BROKEN: &str = "the guest broke its protocol: failed to decode";

fn greeting(body: &[u8]) -> Guest {
    Guest::connected().call(HELLO).say(HELLO, body).trailers(HELLO, 0, "").silent()
}

/// A command whose answers are `bodies`, in this order.
fn answers(bodies: &[&[u8]]) -> Guest {
    let guest = Guest::greeted().call(EXEC);
    bodies.iter().fold(guest, |guest, body| guest.say(EXEC, body)).silent()
}

#[test]
fn an_honest_agent_is_understood() {
    check(&answers(&[&start(), &exit(0)]), "0 bytes, then Code(0)");
    check(
        &answers(&[&start(), &stdout(0, b"one"), &stderr(3, b"2"), &exit(7)]),
        "4 bytes, then Code(7)",
    );
    let killed = bytes(4, &number(2, 9));
    check(&answers(&[&start(), &killed]), "then Signal(9)");
    check(&answers(&[&refusal(1, b"no such file")]), "refused, NotFound: no such file");
    let full = vec![b'x'; MAX_CHUNK_BYTES];
    check(&answers(&[&start(), &stdout(0, &full), &exit(0)]), "65536 bytes, then Code(0)");
    // Fields that a later agent may add.
    check(&answers(&[&[start(), number(99, 1)].concat(), &exit(0)]), "then Code(0)");
}

#[test]
fn another_protocol_version_is_named() {
    check(&greeting(&[]), "which speaks 2: 0;");
    check(&greeting(&[number(1, 3), bytes(2, b"3.0.0")].concat()), "which speaks 2: 3;");
    check(&greeting(&number(1, u32::MAX.into())), "which speaks 2: 4294967295;");
    let refused = Guest::connected()
        .headers(
            HELLO,
            1,
            &[
                (":status", "200"),
                ("content-type", "application/grpc"),
                ("grpc-status", "9"),
                ("grpc-message", "I speak 1%0A%1B[2J"),
            ],
        )
        .silent();
    check(&refused, "which speaks 2: I speak 1\u{fffd}\u{fffd}[2J;");
}

#[test]
fn a_greeting_must_make_sense() {
    let says = |more: Vec<u8>| greeting(&[hello(), more].concat());
    check(&says(bytes(2, b"0.1\x1b[2J")), "an agent version that is no plain word");
    check(&says(bytes(2, &[b'x'; 129])), "an agent version that is no plain word");
    check(&says(bytes(3, b"")), "a kernel release that is no plain word");
    check(&says(bytes(4, b"").repeat(65)), "more than 64 boot steps");
    check(&says([bytes(4, &number(2, 2)), bytes(4, &number(2, 1))].concat()), "out of order");
    check(&says(bytes(9, &vec![0; 70_000])), "broke its protocol: Error, decoded message length");
    check(&says(bytes(2, b"\xff\xfe")), "broke its protocol: failed to decode");
    check(&greeting(b"\xff"), "broke its protocol: failed to decode");
    let twice = Guest::connected().call(HELLO).say(HELLO, &hello()).say(HELLO, &hello());
    // The second is read and thrown away.
    check(&twice.trailers(HELLO, 0, "").silent(), "no answer to exec");
    check(
        &Guest::connected().call(HELLO).trailers(HELLO, 0, "").silent(),
        "broke its protocol: Missing response message",
    );
}

#[test]
fn events_come_in_order_and_in_shape() {
    let empty: &[u8] = &[];
    let ended = "an event of a command before its start";
    check(&answers(&[empty]), "an answer to exec without an event");
    check(&answers(&[&number(99, 1)]), "an answer to exec without an event");
    check(&answers(&[&stdout(0, b"early")]), ended);
    check(&answers(&[&exit(0)]), ended);
    check(&answers(&[&start(), &start()]), "a command that started twice");
    check(&answers(&[&start(), &refusal(1, b"")]), "a refusal after the start");
    check(&answers(&[&bytes(1, &[])]), "process id 0");
    check(&answers(&[&start(), &stdout(0, b"")]), "an empty chunk of output");
    check(&answers(&[&start(), &stderr(0, b"")]), "an empty chunk of output");
    let large = vec![0; MAX_CHUNK_BYTES + 1];
    check(&answers(&[&start(), &stdout(0, &large)]), "a chunk of output of 65537 bytes");
    check(&answers(&[&start(), &stderr(0, &large)]), "a chunk of output of 65537 bytes");
}

#[test]
fn exits_must_be_possible() {
    for code in [-1, 256, i64::from(i32::MIN), i64::from(i32::MAX)] {
        check(&answers(&[&start(), &exit(code)]), "an impossible exit");
    }
    for signal in [-9, 0, 65, i64::from(i32::MAX)] {
        check(&answers(&[&start(), &bytes(4, &number(2, signal))]), "an impossible exit");
    }
    check(&answers(&[&start(), &bytes(4, &[])]), "an exit without code or signal");
    for reason in [0, 9, -1, i64::from(i32::MAX)] {
        check(&answers(&[&refusal(reason, b"")]), "a refusal for the unknown reason");
    }
}

#[test]
fn what_follows_the_end_is_not_heard() {
    let guest = answers(&[&start(), &exit(3), &exit(4), &stdout(0, b"late"), &start()]);
    check(&guest, "0 bytes, then Code(3)");
    check(&answers(&[&refusal(6, b"no"), &start(), &exit(0)]), "refused, Agent: no");
}

#[test]
fn words_of_a_guest_are_bounded_and_plain() {
    let steering = "\u{1b}]0;x\u{7}\r\n\u{202e}";
    check(&answers(&[&refusal(6, steering.as_bytes())]), "\u{fffd}]0;x\u{fffd}\u{fffd}\u{fffd}");
    check(&answers(&[&refusal(6, &b"x".repeat(100_000))]), "x…");
    check(&answers(&[&refusal(6, b"\xff\xff")]), "failed to decode");
    let disk = bytes(7, &bytes(1, "/\u{1b}".repeat(50_000).as_bytes()));
    let full = bytes(4, &[number(1, 1), disk].concat());
    check(&answers(&[&start(), &full]), "then Code(1)");
}

#[test]
fn a_message_is_no_larger_than_agreed() {
    let huge = vec![0; MAX_MESSAGE_BYTES + 1];
    check(
        &answers(&[&start(), &huge]),
        "broke its protocol: Error, decoded message length too large: found 262145 bytes",
    );
    for length in [MAX_MESSAGE_BYTES as u64 + 1, 1 << 30, u32::MAX.into()] {
        let length = u32::try_from(length).unwrap();
        let prefix = [&[0][..], &length.to_be_bytes()].concat();
        check(&Guest::started().data(EXEC, &prefix).silent(), "too large: found");
        check(&Guest::connected().call(HELLO).data(HELLO, &prefix).silent(), "limit is: 65536");
    }
    // A field that claims more than its message holds, and a number that never ends.
    check(&answers(&[&[&varint(2 << 3 | 2)[..], &varint(u64::MAX)].concat()]), BROKEN);
    check(&answers(&[&[&varint(2 << 3)[..], &[0xff; 64]].concat()]), BROKEN);
    check(&answers(&[&bytes(4, &[0x0b; 4000])]), BROKEN);
}

#[test]
fn compression_was_not_agreed() {
    let mut compressed = message(&start());
    compressed[0] = 1;
    check(
        &Guest::greeted().call(EXEC).data(EXEC, &compressed).silent(),
        "broke its protocol: protocol error: received message with compressed-flag",
    );
    compressed[0] = 0x7f;
    check(
        &Guest::greeted().call(EXEC).data(EXEC, &compressed).silent(),
        "invalid compression flag",
    );
    let encoded = Guest::greeted().headers(
        EXEC,
        0,
        &[(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")],
    );
    check(&encoded.data(EXEC, &compressed).silent(), "compressed with `gzip`");
}

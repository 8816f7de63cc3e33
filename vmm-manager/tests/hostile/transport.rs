//! Guests that break HTTP/2, or keep to it and send what costs the host more than it costs them.

use crate::{
    agent::{EXEC, Guest, HELLO, exit, start, stdout},
    frame::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY,
        PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, message,
    },
    judge::{check, judged, told},
    play::{FRAMES, play},
};

const LOST: &str = "the connection to the guest was lost during";
const BROKE: &str = "the guest broke its protocol:";
const FLOOD: &str = "a flood of HTTP/2 frames that carry nothing";

fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

#[test]
fn what_is_not_http2_is_told() {
    check(&Guest::mute(), LOST);
    check(&Guest::mute().silent(), "no answer to the greeting within");
    check(&Guest::mute().raw(b"HTTP/1.1 400 Bad Request\r\n\r\n").silent(), BROKE);
    check(&Guest::mute().raw(b"SSH-2.0-OpenSSH_9.2\r\n"), BROKE);
    check(&Guest::mute().raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), BROKE);
    check(&Guest::mute().raw(&[0; 4096]), BROKE);
    check(&Guest::mute().raw(&[0xff; 4096]), BROKE);
    // The library does not insist on hearing the settings first.
    check(&Guest::mute().frame(PING, 0, 0, [0; 8]).silent(), "no answer to the greeting within");
}

#[test]
fn frames_are_no_larger_than_agreed() {
    for kind in [DATA, HEADERS, SETTINGS, PING, GOAWAY, CONTINUATION, 0xfe] {
        let header = |length: u32| [&length.to_be_bytes()[1..], &[kind, 0, 0, 0, 0, 1]].concat();
        check(&Guest::started().raw(&header(16 * 1024 + 1)), "an HTTP/2 frame that is too large");
        check(&Guest::mute().raw(&header(0xff_ffff)), "an HTTP/2 frame that is too large");
    }
}

#[test]
fn frames_of_other_kinds_are_refused() {
    let other = "an HTTP/2 frame of a kind that no agent sends";
    check(&Guest::started().frame(PRIORITY, 0, EXEC, [0; 5]), other);
    check(&Guest::started().frame(PUSH_PROMISE, END_HEADERS, EXEC, [0, 0, 0, 2]), other);
    for kind in [10, 0x7f, 0xff] {
        check(&Guest::greeted().frame(kind, 0xff, u32::MAX, [0; 100]), other);
    }
}

#[test]
fn frames_in_the_wrong_place_end_the_connection() {
    let idle = Guest::started().frame(DATA, 0, 5, [0; 10]);
    check(&idle, BROKE);
    check(&Guest::started().frame(DATA, 0, 0, [0; 10]), BROKE);
    check(&Guest::started().frame(DATA, 0, 2, [0; 10]), BROKE);
    check(&Guest::started().call(7), BROKE);
    check(&Guest::started().frame(PING, 0, 1, [0; 8]), BROKE);
    check(&Guest::started().frame(PING, 0, 0, [0; 7]), BROKE);
    check(&Guest::started().frame(SETTINGS, 0, 0, [0; 5]), BROKE);
    check(&Guest::started().frame(SETTINGS, ACK, 0, [0; 6]), BROKE);
    check(&Guest::started().frame(SETTINGS, 0, 0, setting(5, 1)), BROKE);
    check(&Guest::started().frame(SETTINGS, 0, 0, setting(4, u32::MAX)), BROKE);
    check(&Guest::started().frame(GOAWAY, 0, 0, [0; 7]), BROKE);
    check(&Guest::started().frame(WINDOW_UPDATE, 0, 0, [0; 4]), BROKE);
    check(&Guest::started().frame(WINDOW_UPDATE, 0, 0, [0; 3]), BROKE);
    check(&Guest::started().frame(CONTINUATION, END_HEADERS, EXEC, fields(&[])), BROKE);
    check(&Guest::started().frame(DATA, PADDED, EXEC, [200, 1, 2]), BROKE);
}

#[test]
fn headers_must_come_whole_and_in_one_piece() {
    let block = fields(&[(":status", "200"), ("content-type", "application/grpc")]);
    let (first, rest) = block.split_at(9);
    let open = || Guest::greeted().frame(HEADERS, 0, EXEC, first);
    let closed = open().frame(CONTINUATION, END_HEADERS, EXEC, rest);
    check(&closed.say(EXEC, &start()).say(EXEC, &exit(0)).silent(), "then Code(0)");
    check(&open().frame(PING, 0, 0, [0; 8]).silent(), BROKE);
    check(&open().frame(CONTINUATION, END_HEADERS, HELLO, rest).silent(), BROKE);
    check(&open().frame(DATA, 0, EXEC, [0; 5]).silent(), BROKE);
    // Frames of the connection itself may come between those of a call.
    let message = message(&start());
    let (first, rest) = message.split_at(6);
    let mixed = Guest::greeted().frame(PING, 0, 0, [0; 8]).call(EXEC).data(EXEC, first);
    let mixed = mixed.frame(SETTINGS, 0, 0, []).frame(WINDOW_UPDATE, 0, 0, [0, 0, 1, 0]);
    let mixed = mixed.data(EXEC, rest).frame(PING, 0, 0, [1; 8]).say(EXEC, &exit(0));
    check(&mixed.silent(), "then Code(0)");
    check(&open().silent(), "no answer to exec within");
    check(&open(), LOST);
    // Table entries that do not exist, and a size that was never agreed.
    for block in [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0xbe], &[0x3f, 0xff, 0xff, 0x03], &[0x80]]
    {
        check(&Guest::greeted().frame(HEADERS, END_HEADERS, EXEC, block).silent(), BROKE);
    }
}

#[test]
fn headers_are_bounded() {
    let large = "x".repeat(9 * 1024);
    let guest = Guest::greeted().headers(EXEC, 0, &[(":status", "200"), ("x", &large)]);
    check(&guest.silent(), BROKE);
    let many = fields(&[("a", "")]).repeat(4000);
    check(&Guest::greeted().frame(HEADERS, END_HEADERS, EXEC, many).silent(), BROKE);
    // Fields of one byte each, many times over, and answers before the answer.
    let dense = |guest: Guest| guest.frame(HEADERS, END_HEADERS, EXEC, vec![0x90; 16 * 1024]);
    check(&Guest::greeted().flood(8, dense), BROKE);
    let early = |guest: Guest| guest.headers(EXEC, 0, &[(":status", "103"), ("link", "x")]);
    check(&Guest::greeted().flood(3000, early), BROKE);
    let endless = Guest::greeted().frame(HEADERS, 0, EXEC, fields(&[(":status", "200")]));
    let empty = |guest: Guest| guest.frame(CONTINUATION, 0, EXEC, []);
    check(&endless.clone().flood(10_000, empty), BROKE);
    let full = |guest: Guest| guest.frame(CONTINUATION, 0, EXEC, vec![0; 16 * 1024]);
    check(&endless.flood(64, full), BROKE);
}

#[test]
fn what_is_no_grpc_is_told() {
    let answered = |fields: &[(&str, &str)]| Guest::greeted().headers(EXEC, END_STREAM, fields);
    check(&answered(&[(":status", "404")]).silent(), "mapped from HTTP status code 404");
    check(&answered(&[(":status", "200")]).silent(), "missing grpc-status");
    check(&answered(&[(":status", "999")]).silent(), "mapped from HTTP status code 999");
    check(&answered(&[("grpc-status", "0")]).silent(), BROKE);
    let failed = |code: &str, text: &str| {
        let fields = [(":status", "200"), ("grpc-status", code), ("grpc-message", text)];
        check(&answered(&fields).silent(), "the guest's agent answered exec with");
    };
    failed("13", "%1B[2J%0D%0A");
    failed("2", "%ff%fe");
    failed("99", "no such code");
    failed("-1", "");
    // Details that are no base64 would bring the library down.
    for fields in [
        &[(":status", "200"), ("grpc-status", "9"), ("grpc-status-details-bin", "%%%")][..],
        &[("grpc-status", "0"), ("grpc-status-details-bin", "\u{1b}")],
    ] {
        judged(|| play(&answered(fields).silent().input(FRAMES)));
        let trailers = Guest::started().headers(EXEC, END_STREAM, fields);
        judged(|| play(&trailers.silent().input(FRAMES)));
        let greeting = Guest::connected().headers(HELLO, END_STREAM, fields);
        judged(|| play(&greeting.silent().input(FRAMES)));
    }
    check(&Guest::started().trailers(EXEC, 8, "no").silent(), "answered exec with");
    check(&Guest::started().trailers(EXEC, 0, "").silent(), "an exec that ended without an exit");
}

#[test]
fn a_call_or_the_connection_can_be_ended_at_any_time() {
    for code in [0_u32, 1, 7, 8, 11, 99, u32::MAX] {
        let expected = if code == 0 { "without a final status" } else { LOST };
        check(&Guest::started().frame(RST_STREAM, 0, EXEC, code.to_be_bytes()).silent(), expected);
        let away = [&0_u32.to_be_bytes()[..], &code.to_be_bytes(), b"\x1b[2Jbye"].concat();
        check(&Guest::started().frame(GOAWAY, 0, 0, away).silent(), expected);
    }
    let away = [&u32::MAX.to_be_bytes()[..], &0_u32.to_be_bytes()].concat();
    let late = Guest::started().frame(GOAWAY, 0, 0, away).say(EXEC, &exit(0));
    check(&late.silent(), "then Code(0)");
}

#[test]
fn windows_hold() {
    // Far more than the call's window, all at once and unasked.
    let say = |guest: Guest, index: i64| guest.say(EXEC, &stdout(index * 16_000, &[0; 16_000]));
    let greedy = (0..50).fold(Guest::started(), say).silent();
    let outcome = judged(|| play(&greedy.input(FRAMES)));
    assert!(told(&outcome.result).contains("flow-control protocol violated"), "{outcome:?}");
    let grow = |stream| Guest::started().frame(WINDOW_UPDATE, 0, stream, [0x7f, 0xff, 0xff, 0xff]);
    check(&grow(0).frame(WINDOW_UPDATE, 0, 0, [0x7f, 0xff, 0xff, 0xff]).silent(), BROKE);
    check(&grow(EXEC).silent(), "flow-control protocol violated");
}

#[test]
fn floods_run_dry() {
    let flood = |kind, stream, payload: &'static [u8], expected| {
        let guest = Guest::started().flood(50_000, |guest| guest.frame(kind, 0, stream, payload));
        check(&guest, expected);
    };
    flood(SETTINGS, 0, &[], BROKE);
    flood(RST_STREAM, EXEC, &[0, 0, 0, 8], LOST);
    flood(RST_STREAM, HELLO, &[0, 0, 0, 8], BROKE);
    flood(WINDOW_UPDATE, 0, &[0, 0, 0, 1], BROKE);
    flood(WINDOW_UPDATE, EXEC, &[0, 0, 0, 1], BROKE);
    flood(DATA, EXEC, &[], BROKE);
    let pongs = Guest::started().flood(50_000, |guest| guest.frame(PING, ACK, 0, [0; 8]));
    check(&pongs, FLOOD);
    let away = Guest::started().flood(50_000, |guest| guest.frame(GOAWAY, 0, 0, [0x7f; 8]));
    check(&away, FLOOD);
}

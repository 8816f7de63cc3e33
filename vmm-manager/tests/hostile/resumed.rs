//! Guests that a client comes back to, and what they say of what was begun before.
//!
//! The client has seen 1000 bytes of output and sent 100 of 200 bytes of stdin; its source disk
//! carries 10,000 bytes, its output disk has room for a MiB.

use crate::{
    agent::{
        Guest, HELLO, PACK, UNPACK, WORK, disk_refusal, done, exit, progress, start, start_at,
        stderr, stdout, taken,
    },
    frame::{bytes, number},
    judge::{check, judged, told},
    play::{CALM, FRAMES, RESUMED, play},
    recording,
};

const BROKE: &str = "the guest broke its protocol";

/// A command whose answers are `bodies`, in this order.
fn answers(bodies: &[&[u8]]) -> Guest {
    let guest = Guest::unpacked().call(WORK);
    bodies.iter().fold(guest, |guest, body| guest.say(WORK, body)).silent()
}

/// What is said of the source disk, then of nothing.
fn unpacks(bodies: &[&[u8]]) -> Guest {
    let guest = Guest::greeted().again().call(UNPACK);
    bodies.iter().fold(guest, |guest, body| guest.say(UNPACK, body)).silent()
}

fn packs(bodies: &[&[u8]]) -> Guest {
    let guest = Guest::worked().call(PACK);
    bodies.iter().fold(guest, |guest, body| guest.say(PACK, body)).silent()
}

#[test]
fn a_command_goes_on_between_its_disks() {
    let honest = packs(&[&progress(0), &progress(7), &done(7)]);
    check(&honest, "0 bytes, 0 taken, then Code(0), Some(Done { length: 7 })");
    check(&packs(&[&done(1 << 20)]), "Some(Done { length: 1048576 })");
    check(&packs(&[&disk_refusal(1, b"none")]), "Some(Refused { reason: NotFound");
    let after_work = |bodies: &[&[u8]]| {
        let guest = answers(bodies).call(PACK).say(PACK, &done(0));
        guest.trailers(PACK, 0, "")
    };
    let output =
        after_work(&[&start_at(100, false), &stdout(1000, b"on"), &stderr(1002, b"!"), &exit(0)]);
    check(&output, "3 bytes, 100 taken, then Code(0)");
    check(&after_work(&[&start_at(50, true), &taken(50), &exit(0)]), "0 bytes, 50 taken");
}

/// What was recorded of an honest agent, in the one cut in which stdin is there before it is taken.
#[test]
fn stdin_goes_on_where_it_was_taken() {
    let input = [&[CALM | RESUMED][..], &recording::goes_on()].concat();
    let told = told(&judged(|| play(&input)).result);
    assert_eq!(told, "10 bytes, 200 taken, then Code(0), Some(Done { length: 400 })");
}

#[test]
fn output_jumps_neither_forward_nor_back() {
    let due = |offset: i64| format!("{BROKE}: output at offset {offset} where ");
    for offset in [0, 1, 999, 1001, 1 << 40, -1] {
        let expected = due(offset).replace("-1", "18446744073709551615");
        check(&answers(&[&start(), &stdout(offset, b"x")]), &expected);
        check(&answers(&[&start(), &stderr(offset, b"x")]), &expected);
    }
    let first = stdout(1000, b"12345");
    check(&answers(&[&start(), &first, &first]), &due(1000));
    check(&answers(&[&start(), &first, &stdout(1004, b"x")]), &due(1004));
    check(&answers(&[&start(), &first, &stderr(1006, b"x")]), &due(1006));
    check(&answers(&[&start(), &first, &stdout(0, b"x")]), &due(0));
    // A chunk without an offset is one at 0.
    check(&answers(&[&start(), &bytes(2, &bytes(2, b"x"))]), &due(0));
}

#[test]
fn no_stdin_is_taken_that_was_not_sent() {
    let too_much = "more stdin taken than was ever sent";
    for offset in [101, 200, 201, i64::MAX, -1] {
        check(&answers(&[&start_at(offset, false)]), too_much);
    }
    for offset in [201, 1 << 40, i64::MAX, -1] {
        check(&answers(&[&start_at(100, false), &taken(offset)]), too_much);
    }
    // Its end was taken, so none is sent now.
    check(&answers(&[&start_at(100, true), &taken(101)]), too_much);
    check(&answers(&[&start_at(90, false), &taken(89)]), "stdin that is no longer taken");
    check(&answers(&[&taken(0)]), "before its start");
}

#[test]
fn a_command_starts_once_on_each_stream() {
    check(&answers(&[&start(), &start()]), "a command that started twice");
    check(&answers(&[&start_at(100, false), &start_at(100, false)]), "started twice");
    let late = answers(&[&start(), &stdout(1000, b"x"), &start_at(0, false)]);
    check(&late, "a command that started twice");
}

#[test]
fn a_disk_ends_within_its_size() {
    for length in [10_001, 1 << 20, i64::MAX, -1] {
        check(&unpacks(&[&done(length)]), "on a disk of 10000");
        check(&unpacks(&[&progress(length)]), "on a disk of 10000");
    }
    for length in [(1 << 20) + 1, 1 << 40, -1] {
        check(&packs(&[&done(length)]), "on a disk of 1048576");
        check(&packs(&[&progress(1), &progress(length)]), "on a disk of 1048576");
    }
    check(&packs(&[&progress(5), &progress(4)]), "a disk that went back from 5 to 4");
    check(&packs(&[&progress(5), &done(4)]), "a disk that went back from 5 to 4");
    check(&packs(&[&[]]), "a word on a disk without an event");
    check(&unpacks(&[&number(9, 1)]), "a word on a disk without an event");
    check(&unpacks(&[b"\xff"]), "failed to decode");
    check(&packs(&[&disk_refusal(0, b"")]), "a refusal for the unknown reason 0");
    check(&packs(&[&disk_refusal(6, b"")]), "a refusal for the unknown reason 6");
    let steering = packs(&[&disk_refusal(5, "\u{1b}[2J\u{202e}".as_bytes())]);
    check(&steering, "\u{fffd}[2J\u{fffd}");
    check(&packs(&[&disk_refusal(5, &b"x".repeat(100_000))]), "x…");
    check(&unpacks(&[&progress(5)]).trailers(UNPACK, 0, ""), "an unpack without an end");
}

#[test]
fn a_disk_has_its_limits() {
    check(&unpacks(&[]), "no answer to unpack within 20s");
    check(&Guest::greeted().again().silent(), "no answer to unpack within 20s");
    check(&unpacks(&[&progress(1)]), "no answer to unpack within 20s");
    check(&packs(&[]), "no answer to pack within 20s");
    // Each frame comes alone: for ever, as far as the limit of all of it goes.
    let working =
        (0..5000).fold(Guest::worked().call(PACK), |guest, _| guest.say(PACK, &progress(1)));
    let input = working.silent().input(CALM);
    let outcome = judged(|| crate::play::play_at(&input, std::time::Duration::from_millis(100)));
    let told = told(&outcome.result);
    assert!(told.contains("no answer to pack within 120s"), "{told}");
    // A flood of it is read and forgotten.
    let flood =
        (0..50_000).fold(Guest::worked().call(PACK), |guest, _| guest.say(PACK, &progress(1)));
    judged(|| play(&flood.silent().input(FRAMES)));
}

#[test]
fn refusals_have_their_codes() {
    let refused = |guest: Guest, stream, code, expected| {
        check(&guest.call(stream).trailers(stream, code, "so it is").again().silent(), expected);
    };
    let denied = "answered the greeting with The caller does not have permission";
    refused(Guest::connected(), HELLO, 7, denied);
    refused(Guest::unpacked(), WORK, 9, "answered exec with The system is not in a state");
    refused(Guest::unpacked(), WORK, 10, "answered exec with The operation was aborted");
    refused(Guest::unpacked(), WORK, 8, "answered exec with Some resource has been exhausted");
    refused(Guest::greeted(), UNPACK, 5, "answered unpack with");
    refused(Guest::worked(), PACK, 13, "answered pack with");
}

/// Every byte of an honest conversation may be the last.
#[test]
fn a_conversation_can_end_after_any_byte() {
    let whole = recording::goes_on();
    let cut = |length: usize| [&[CALM | RESUMED][..], &whole[..length]].concat();
    let end = (0..=whole.len())
        .find(|length| play(&cut(*length)).result.is_ok())
        .expect("the whole of it is a success");
    assert!(end > whole.len() / 2, "{end} of {}", whole.len());
    for length in 0..=whole.len() {
        let outcome = judged(|| play(&cut(length)));
        assert_eq!(outcome.result.is_ok(), length >= end, "{length}: {outcome:?}");
    }
}

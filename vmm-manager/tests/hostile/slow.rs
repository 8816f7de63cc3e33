//! Guests that are slow, silent, or gone in the middle of a word.

use std::time::Duration;

use crate::{
    agent::{EXEC, Guest, HELLO, exit, hello, stdout},
    frame::SETTINGS,
    judge::{check, judged, told},
    play::{BYTES, FRAMES, SILENT, pieces, play, play_at},
    recording,
};

#[test]
fn a_guest_that_falls_silent_meets_the_limit_of_its_phase() {
    let greeting = "no answer to the greeting within 20s";
    check(&Guest::mute().silent(), greeting);
    check(&Guest::connected().silent(), greeting);
    check(&Guest::connected().call(HELLO).silent(), greeting);
    check(&Guest::connected().call(HELLO).data(HELLO, &[0, 0, 0]).silent(), greeting);
    check(&Guest::connected().call(HELLO).say(HELLO, &hello()).silent(), greeting);
    let exec = "no answer to exec within 20s";
    check(&Guest::greeted().silent(), exec);
    check(&Guest::greeted().call(EXEC).silent(), exec);
    check(&Guest::greeted().call(EXEC).data(EXEC, &[0, 0, 0, 0, 9, 1]).silent(), exec);
    // A command may be quiet for long, but its guest answers pings.
    let running = "no answer to exec within 30s";
    check(&Guest::started().silent(), running);
    check(&Guest::started().say(EXEC, &stdout(0, b"then nothing")).silent(), running);
    check(&Guest::started().data(EXEC, &[0, 0, 0, 0, 9, 1]).silent(), running);
}

#[test]
fn a_slow_guest_has_its_phase_limit_and_no_more() {
    let told_at = |millis| {
        let guest = Guest::started().say(EXEC, &exit(0)).silent();
        let pause = Duration::from_millis(millis);
        told(&judged(|| play_at(&guest.input(pieces(1)), pause)).result)
    };
    assert_eq!(told_at(10), "0 bytes, then Code(0)");
    assert_eq!(told_at(50), "0 bytes, then Code(0)");
    // Byte by byte, so slowly that the greeting alone takes longer than its limit.
    let told = told_at(500);
    assert!(told.contains("no answer to the greeting within"), "{told}");
}

/// The greeting comes after two pauses and has 20 seconds; the start comes after one more.
#[test]
fn a_limit_is_met_to_the_millisecond() {
    let guest = Guest::started().say(EXEC, &exit(0)).silent();
    let after = |pause| told(&judged(|| play_at(&guest.input(FRAMES), pause)).result);
    assert_eq!(after(Duration::from_millis(9_995)), "0 bytes, then Code(0)");
    let late = after(Duration::from_millis(10_005));
    assert!(late.contains("no answer to the greeting within 20s"), "{late}");
}

/// A guest may also refuse to take what it is sent.
#[test]
fn a_guest_that_takes_nothing_is_silent() {
    let takes = |setting: [u8; 6]| Guest::mute().frame(SETTINGS, 0, 0, setting).silent();
    // No window for any request, and no stream for one.
    check(&takes([0, 4, 0, 0, 0, 0]), "no answer to the greeting within 20s");
    check(&takes([0, 3, 0, 0, 0, 0]), "no answer to the greeting within 20s");
    let later = Guest::greeted().frame(SETTINGS, 0, 0, [0, 3, 0, 0, 0, 0]).silent();
    check(&later, "no answer to exec within 20s");
}

/// Every byte of an honest conversation may be the last.
#[test]
fn a_conversation_can_end_after_any_byte() {
    let whole = recording::exits();
    let end = (0..=whole.len())
        .find(|length| play(&cut(&whole, *length, FRAMES)).result.is_ok())
        .expect("the whole of it is a success");
    assert!(end > whole.len() / 2, "{end} of {}", whole.len());
    for length in 0..=whole.len() {
        for mode in [FRAMES, FRAMES | SILENT, BYTES] {
            let outcome = judged(|| play(&cut(&whole, length, mode)));
            assert_eq!(outcome.result.is_ok(), length >= end, "{length}: {outcome:?}");
        }
    }
}

fn cut(bytes: &[u8], length: usize, mode: u8) -> Vec<u8> {
    [&[mode], &bytes[..length]].concat()
}

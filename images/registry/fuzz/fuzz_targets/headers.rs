//! What registries outside ask for, and how long they want to be left alone: bounded, with one meaning.
#![no_main]

#[path = "../../tests/parsed/play.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod play;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    play::headers(input);
});

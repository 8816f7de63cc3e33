//! Names, by path, query and proxy's target, and as people type them: each means one place.
#![no_main]

#[path = "../../tests/parsed/play.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod play;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    play::reference(input);
});

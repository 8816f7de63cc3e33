//! Parts of blobs, asked for and pushed: none lies outside, and each is what its header says.
#![no_main]

#[path = "../../tests/parsed/play.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod play;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    play::range(input);
});

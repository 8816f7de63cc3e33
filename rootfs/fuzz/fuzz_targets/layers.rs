//! See `../README.md`.
#![no_main]

#[path = "../../tests/layers/play.rs"]
#[expect(dead_code, reason = "each target uses a part of it")]
mod play;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    play::layers(input);
});

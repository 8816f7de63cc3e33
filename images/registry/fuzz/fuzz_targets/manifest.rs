//! Manifests and indexes: what is understood means the same to every reader.
#![no_main]

#[path = "../../tests/manifests/lenient.rs"]
mod lenient;
#[path = "../../tests/manifests/play.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod play;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    play::manifest(input);
});

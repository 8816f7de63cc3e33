//! Tars of images: they mean the same in whatever pieces they come.
#![no_main]

#[path = "../../tests/manifests/lenient.rs"]
mod lenient;
#[path = "../../tests/manifests/play.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod play;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    play::archive(input);
});

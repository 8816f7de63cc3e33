//! Whatever a guest sends, the host's client ends in a transcript or a typed error: no panic, no
//! task left behind, and no more memory than `-malloc_limit_mb` and `-rss_limit_mb` allow.
#![no_main]

#[path = "../../tests/hostile/play.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod play;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let outcome = play::play(input);
    assert_eq!(outcome.lingering, 0, "tasks left behind after {:?}", outcome.result);
});

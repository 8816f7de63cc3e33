//! Whatever a guest asks and a host's resolver answers: nothing leaves that may not, nothing is told
//! that is private or not admitted, and it all takes no more memory than `-malloc_limit_mb` allows.
#![no_main]

#[path = "../../gateway/tests/played/play.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod play;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    play::play(input);
});

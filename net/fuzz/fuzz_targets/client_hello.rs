//! Whatever a guest says where a hello is expected: it is read in one way, however it comes.
#![no_main]

#[path = "../../gateway/tests/named/lenient.rs"]
mod lenient;
#[path = "../../gateway/tests/named/play.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod play;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    play::client_hello(input);
});

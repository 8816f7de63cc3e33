//! Whatever the engine's client reports, in whatever pieces: whole events within their bounds, the same
//! ones however it is cut, and no secret in them.
#![no_main]

use kiln_agent::{End, Translator};
use kiln_proto::agent::{MAX_BUILD_EVENT_BYTES, event};
use libfuzzer_sys::fuzz_target;

const SECRET: &[u8] = b"s3cr3t-of-a-build";

/// The first byte says how long a piece is; the second how the client ends.
fuzz_target!(|input: &[u8]| {
    let [size, code, said @ ..] = input else { return };
    let code = Some(i32::from(code & 1));
    let pieces = translate(said, usize::from(*size) + 1, code);
    assert!(pieces == translate(said, said.len().max(1), code));
    assert!(!pieces.windows(SECRET.len()).any(|part| part == SECRET));
    let mut row = &pieces[..];
    while !row.is_empty() {
        let digits = row.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        let groups = row[..digits].iter().rev();
        let length = groups.fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
        assert!(length <= MAX_BUILD_EVENT_BYTES);
        event::decode(&row[digits..digits + length]).expect("an event");
        row = &row[digits + length..];
    }
});

fn translate(said: &[u8], size: usize, code: Option<i32>) -> Vec<u8> {
    let mut translator = Translator::new(vec![SECRET.to_vec()]);
    let mut frames: Vec<u8> =
        said.chunks(size).flat_map(|piece| translator.feed(1, piece)).collect();
    frames.extend(translator.finish(End { code, ..End::default() }));
    frames
}

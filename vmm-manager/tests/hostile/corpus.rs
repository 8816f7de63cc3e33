//! Replays what the fuzz target `guest_bytes` starts from and what it found.
//!
//! `KILN_BLESS=1` writes the recordings and the cases by hand that seed it.

use std::{env, fs, path::PathBuf};

use crate::{
    agent::{EXEC, Guest, PACK, WORK, exit, progress, start_at, stdout, taken},
    frame::{CONTINUATION, HEADERS, PING, fields},
    judge::{judged, told},
    play::{BYTES, CALM, FRAMES, RESUMED, SILENT, pieces, play},
    recording,
};

const MOST_BYTES: u64 = 200 * 1024;

pub(crate) fn directory() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", "guest_bytes"].iter().collect()
}

#[test]
fn the_corpus_of_the_fuzz_target_holds() {
    if env::var_os("KILN_BLESS").is_some() {
        bless();
    }
    let (mut cases, mut bytes, mut honest) = (0, 0, 0);
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        let outcome = judged(|| play(&input));
        honest += usize::from(outcome.result.is_ok());
        if path.file_name().is_some_and(|name| name == "exits") {
            assert_eq!(told(&outcome.result), "14 bytes, then Code(7)");
        }
        if path.file_name().is_some_and(|name| name == "resumed") {
            let done = "10 bytes, 200 taken, then Code(0), Some(Done { length: 400 })";
            assert_eq!(told(&outcome.result), done);
        }
        cases += 1;
        bytes += input.len() as u64;
    }
    assert!(cases >= 10 && honest >= 3, "{cases} cases, {honest} of them honest");
    assert!(bytes <= MOST_BYTES, "{bytes} bytes: keep what is interesting");
}

fn bless() {
    let write = |name: &str, input: &[u8]| {
        fs::write(directory().join(name), input).expect("a file of the corpus");
    };
    for (name, bytes) in recording::all() {
        write(name, &[&[FRAMES][..], &bytes].concat());
    }
    for (name, bytes) in recording::all_resumed() {
        // Stdin is on its way before an agent says that it was taken.
        write(name, &[&[CALM | RESUMED][..], &bytes].concat());
    }
    let exits = recording::exits();
    write("exits-calm", &[&[CALM][..], &exits].concat());
    write("exits-bytes", &[&[BYTES][..], &exits].concat());
    write("exits-pieces", &[&[pieces(5)][..], &exits].concat());
    write("truncated", &[&[FRAMES][..], &exits[..exits.len() / 2]].concat());
    write("truncated-silent", &[&[SILENT][..], &exits[..exits.len() / 2]].concat());
    let started = Guest::started;
    write(
        "out-of-order",
        &Guest::greeted().call(EXEC).say(EXEC, &stdout(0, b"early")).input(FRAMES),
    );
    write("by-hand", &started().say(EXEC, &stdout(0, b"x")).say(EXEC, &exit(0)).input(FRAMES));
    write("ping", &started().frame(PING, 0, 0, [7; 8]).say(EXEC, &exit(0)).input(CALM));
    write("endless-pack", &Guest::worked().call(PACK).say(PACK, &progress(1)).silent().input(CALM));
    let lies = Guest::unpacked().call(WORK).say(WORK, &start_at(100, false)).say(WORK, &taken(201));
    write("taken-too-much", &lies.input(CALM));
    let block = fields(&[(":status", "200"), ("content-type", "application/grpc")]);
    let cut = Guest::greeted().frame(HEADERS, 0, EXEC, &block[..9]);
    write("continued", &cut.frame(CONTINUATION, 4, EXEC, &block[9..]).input(FRAMES));
}

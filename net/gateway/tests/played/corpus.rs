//! Replays what the fuzz target `dns` starts from and what it found.
//!
//! `KILN_BLESS=1` writes the cases by hand that seed it.

use std::{env, fs, path::PathBuf};

use crate::{
    honest,
    play::{
        ALLOW, AS_IT_IS, End, INTERNET, NONE, RECORD, SIX, STREAM, WITH_ID, WITH_QUESTION, input,
        play,
    },
};

const MOST_BYTES: u64 = 100 * 1024;

fn directory() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "fuzz", "corpus", "dns"].iter().collect()
}

#[test]
fn the_corpus_of_the_fuzz_target_holds() {
    if env::var_os("KILN_BLESS").is_some() {
        bless();
    }
    let (mut cases, mut bytes, mut told) = (0, 0, 0);
    for entry in fs::read_dir(directory()).unwrap() {
        let input = fs::read(entry.unwrap().path()).unwrap();
        told += usize::from(matches!(play(&input), End::Told(0, 1..)));
        cases += 1;
        bytes += input.len() as u64;
    }
    assert!(cases >= 20 && told >= 3, "{cases} cases, {told} of them told addresses");
    assert!(bytes <= MOST_BYTES, "{bytes} bytes: keep what is interesting");
}

fn bless() {
    let write = |name: &str, input: &[u8]| {
        fs::write(directory().join(name), input).expect("a file of the corpus");
    };
    let questions = honest::questions();
    let answers = honest::answers();
    // Of `one.test`: an address, and one of IPv6.
    for (number, answer) in answers.iter().enumerate() {
        let question = &questions[usize::from(number == 1 || number == 8)];
        let setting = ALLOW | SIX | WITH_QUESTION;
        write(&format!("answer-{number:02}"), &input(setting, question, &[answer, &answers[5]]));
    }
    for (number, kind) in [(3, 13), (6, 14), (2, 15)] {
        let setting = INTERNET | STREAM | WITH_QUESTION;
        write(&format!("kind-{number}"), &input(setting, &questions[number], &[&answers[kind]]));
    }
    write("record", &input(RECORD | WITH_QUESTION, &questions[0], &[&answers[0]]));
    write("none", &input(NONE | WITH_QUESTION, &questions[0], &[&answers[0]]));
    write("endpoint", &input(ALLOW | SIX | AS_IT_IS, &questions[27], &[]));
    write("suffix", &input(ALLOW | WITH_QUESTION, &questions[9], &[&answers[2]]));
    write("refused", &input(ALLOW | WITH_QUESTION, &questions[36], &[&answers[0]]));
    write("another-question", &input(ALLOW | WITH_ID, &questions[0], &[&questions[9]]));
    write("noise", &input(ALLOW | AS_IT_IS, &questions[0], &[&[0x5a; 64]]));
}

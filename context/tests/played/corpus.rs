//! Replays what the fuzz targets start from and what they found.
//!
//! `KILN_BLESS=1` writes the cases by hand that seed them.

use std::{env, fs, path::PathBuf};

use crate::{
    honest,
    play::{self, End},
};

const MOST_BYTES: usize = 50 * 1024;

fn check(target: &str, honest: &[Vec<u8>], play: fn(&[u8]) -> End) {
    let directory: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", target].iter().collect();
    if env::var_os("KILN_BLESS").is_some() {
        fs::create_dir_all(&directory).expect("a corpus");
        for (number, bytes) in honest.iter().enumerate() {
            fs::write(directory.join(format!("honest-{number:02}")), bytes).expect("a case");
        }
    }
    let (mut cases, mut bytes, mut used) = (0, 0, 0);
    for entry in fs::read_dir(directory).expect("a corpus") {
        let input = fs::read(entry.expect("an entry").path()).expect("a case");
        used += usize::from(play(&input) == End::Used);
        cases += 1;
        bytes += input.len();
    }
    assert!(cases >= honest.len() && used >= 3, "{cases} cases, {used} used");
    assert!(bytes <= MOST_BYTES, "{bytes} bytes: keep what is interesting");
}

#[test]
fn the_corpus_of_ignore_files_holds() {
    check("ignore", &honest::ignores(), play::ignore);
}

#[test]
fn the_corpus_of_directories_holds() {
    check("packing", &honest::trees(), play::packing);
}

#[test]
fn the_corpus_of_stdins_holds() {
    check("stdin", &honest::stdins(), play::stdin);
}

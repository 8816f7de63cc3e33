//! Replays what the fuzz targets start from and what they found.
//!
//! `KILN_BLESS=1` writes the cases by hand that seed them.

use std::{env, fs, path::PathBuf};

use crate::{
    honest,
    play::{End, client_hello, http_head, input},
};

const MOST_BYTES: usize = 50 * 1024;

fn directory(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "fuzz", "corpus", target].iter().collect()
}

fn check(target: &str, honest: &[Vec<u8>], play: fn(&[u8]) -> End) {
    if env::var_os("KILN_BLESS").is_some() {
        for (number, bytes) in honest.iter().enumerate() {
            let path = directory(target).join(format!("honest-{number:02}"));
            fs::write(path, input(40, bytes)).expect("a file of the corpus");
        }
    }
    let (mut cases, mut bytes, mut understood) = (0, 0, 0);
    for entry in fs::read_dir(directory(target)).expect("a corpus") {
        let input = fs::read(entry.expect("an entry").path()).expect("a case");
        understood += usize::from(play(&input) == End::Understood);
        cases += 1;
        bytes += input.len();
    }
    assert!(cases >= honest.len() && understood >= 5, "{cases} cases, {understood} understood");
    assert!(bytes <= MOST_BYTES, "{bytes} bytes: keep what is interesting");
}

#[test]
fn the_corpus_of_hellos_holds() {
    check("client_hello", &honest::hellos(), client_hello);
}

#[test]
fn the_corpus_of_requests_holds() {
    check("http_head", &honest::requests(), http_head);
}

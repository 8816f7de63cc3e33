//! Thousands of words that were honest ones.
//!
//! A failure names its seed, which alone makes the case again: `KILN_SEED=n` plays only that one.

use std::{collections::BTreeMap, panic};

use crate::{
    honest,
    play::{self, End},
};

/// `SplitMix64`: its whole state is its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("less than `end`")
    }
}

const WORDS: [&str; 22] = [
    "-",
    "0",
    "9",
    "99999999999999999999",
    "18446744073709551615",
    ",",
    "=",
    "\"",
    "\\",
    " ",
    "\t",
    "/",
    "..",
    "_",
    ":",
    "@",
    "%2f",
    "%",
    "\n",
    "\u{e4}",
    "local/",
    "docker.io/",
];

fn case(seed: u64, honest: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = honest[random.below(honest.len())].clone();
    for _ in 0..random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => {
                let end = bytes.len().min(at + 1 + random.below(8));
                bytes.drain(at.min(end)..end);
            }
            2 => {
                let other = &honest[random.below(honest.len())];
                let from = random.below(other.len());
                bytes.splice(at..at, other[from..].iter().copied().take(24));
            }
            3 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[0],
            _ => {
                let word = WORDS[random.below(WORDS.len())];
                bytes.splice(at..at, word.bytes());
            }
        }
    }
    bytes
}

fn check(what: &str, honest: &[Vec<u8>], play: fn(&[u8]) -> End) {
    let seeds = match std::env::var("KILN_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("a seed");
            seed..seed + 1
        }
        Err(_) if std::env::var_os("KILN_FULL").is_some_and(|value| value == "1") => 0..1_000_000,
        Err(_) => 0..30_000,
    };
    let (mut ends, count) = (BTreeMap::new(), seeds.end - seeds.start);
    for seed in seeds {
        let input = case(seed, honest);
        let Ok(end) = panic::catch_unwind(|| play(&input)) else {
            panic!("KILN_SEED={seed} fails: {:?}", String::from_utf8_lossy(&input))
        };
        *ends.entry(end).or_insert(0_u64) += 1;
    }
    // A net that catches nothing proves nothing.
    if count > 1 {
        for end in [End::Understood, End::Refused] {
            assert!(ends.get(&end).is_some_and(|times| *times * 20 > count), "{what}: {ends:?}");
        }
    }
}

#[test]
fn ranges_by_the_thousand_stay_within() {
    check("ranges", &honest::ranges(), play::range);
}

#[test]
fn headers_by_the_thousand_mean_one_thing() {
    check("headers", &honest::headers(), play::headers);
}

#[test]
fn references_by_the_thousand_mean_one_thing() {
    check("references", &honest::references(), play::reference);
}

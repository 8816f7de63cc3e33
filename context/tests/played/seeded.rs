//! Thousands of cases that were honest ones.
//!
//! A failure names its seed, which alone makes the case again: `KILN_SEED=n` plays only that one.

use std::{collections::BTreeMap, panic};

use crate::{
    honest,
    play::{self, End},
};

const CASES: u64 = 20_000;

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

const WORDS: [&str; 20] = [
    "*", "**", "?", "[", "]", "[^", "-", "\\", "!", "#", "/", "..", ".", "\n", "\0", " ", "\r\n",
    "a", "\u{e4}", "\0\0\0",
];

fn case(seed: u64, honest: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = honest[random.below(honest.len())].clone();
    for _ in 0..random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
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
            3 | 4 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[0],
            _ => {
                let word = WORDS[random.below(WORDS.len())];
                bytes.splice(at..at, word.bytes());
            }
        }
    }
    bytes
}

#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn check(what: &str, honest: &[Vec<u8>], play: fn(&[u8]) -> End) {
    let seeds = match std::env::var("KILN_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) if std::env::var_os("KILN_FULL").is_some_and(|value| value == "1") => 0..25 * CASES,
        Err(_) => 0..CASES,
    };
    let (mut ends, count) = (BTreeMap::new(), seeds.end - seeds.start);
    for seed in seeds {
        let input = case(seed, honest);
        let Ok(end) = panic::catch_unwind(|| play(&input)) else {
            panic!("KILN_SEED={seed} fails")
        };
        *ends.entry(end).or_insert(0_u64) += 1;
    }
    println!("{count} {what}: {ends:?}");
    if count > 1 {
        // A net that catches nothing, or everything, would prove nothing.
        for end in [End::Refused, End::Understood, End::Used] {
            assert!(ends.get(&end).is_some_and(|times| *times >= 20), "{end:?}: {ends:?}");
        }
    }
}

#[test]
fn ignore_files_by_the_thousand() {
    check("ignore files", &honest::ignores(), play::ignore);
}

#[test]
fn directories_by_the_thousand() {
    check("directories", &honest::trees(), play::packing);
}

#[test]
fn stdins_by_the_thousand() {
    check("stdins", &honest::stdins(), play::stdin);
}

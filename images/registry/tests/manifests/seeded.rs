//! Thousands of manifests and tars that were honest ones.
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

const FIELDS: [&str; 20] = [
    "\"layers\":[],",
    "\"Layers\":[],",
    "\"manifests\":[],",
    "\"layer\u{17f}\":[],",
    "\"config\":null,",
    "\"mediaType\":null,",
    "\"MEDIATYPE\":\"a/b\",",
    "\"size\":1,",
    "\"schemaVersion\":1,",
    "\"fsLayers\":[],",
    "\"urls\":[],",
    "\"subject\":null,",
    "null",
    "[]",
    "{}",
    "-1",
    "9223372036854775807",
    "\"\"",
    "\\u0061",
    "1e9",
];

/// At the beginning of an object or a value, mostly.
fn changed_manifest(random: &mut Random, bytes: &mut Vec<u8>) {
    let starts: Vec<_> = (1..bytes.len()).filter(|at| b"{:[,".contains(&bytes[at - 1])).collect();
    let at = starts.get(random.below(starts.len().max(1))).copied().unwrap_or(1);
    match random.below(5) {
        0 | 1 => {
            let field = FIELDS[random.below(FIELDS.len())];
            bytes.splice(at..at, field.bytes());
        }
        2 => {
            let end = bytes.len().min(at + 1 + random.below(90));
            bytes.drain(at.min(end)..end);
        }
        // A letter's case.
        3 => {
            let at = random.below(bytes.len());
            bytes[at] ^= 0x20;
        }
        _ => {
            let at = random.below(bytes.len());
            bytes[at] = random.next().to_le_bytes()[0];
        }
    }
}

/// With checksums that are right again, mostly: else nothing behind them is read.
fn changed_archive(random: &mut Random, bytes: &mut Vec<u8>) {
    match random.below(8) {
        0 => bytes.truncate(random.below(bytes.len() + 1)),
        1 => {
            let block = bytes[..bytes.len().min(512)].to_vec();
            bytes.splice(0..0, block);
        }
        _ if bytes.len() >= 512 => {
            let header = 512 * random.below(bytes.len() / 512);
            let at = header + [0, 124, 130, 135, 156, 157, 257, 345][random.below(8)];
            bytes[at] = b"\x00\x8001579xgLK2/.\xff"[random.below(14)];
            if random.below(4) > 0 {
                let block: &mut [u8] = &mut bytes[header..header + 512];
                block[148..156].fill(b' ');
                let sum: u32 = block.iter().copied().map(u32::from).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        _ => {}
    }
}

fn check(
    what: &str,
    honest: &[Vec<u8>],
    times: u64,
    change: fn(&mut Random, &mut Vec<u8>),
    play: fn(&[u8]) -> End,
) {
    let seeds = match std::env::var("KILN_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("a seed");
            seed..seed + 1
        }
        Err(_) if std::env::var_os("KILN_FULL").is_some_and(|value| value == "1") => 0..50 * times,
        Err(_) => 0..times,
    };
    let (mut ends, count) = (BTreeMap::new(), seeds.end - seeds.start);
    for seed in seeds {
        let mut random = Random(seed);
        let mut input = honest[random.below(honest.len())].clone();
        for _ in 0..random.below(4) {
            if !input.is_empty() {
                change(&mut random, &mut input);
            }
        }
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
fn manifests_by_the_thousand_mean_one_thing() {
    check("manifests", &honest::manifests(), 20_000, changed_manifest, play::manifest);
}

#[test]
fn archives_by_the_thousand_mean_one_thing() {
    check("archives", &honest::archives(), 20_000, changed_archive, play::archive);
}

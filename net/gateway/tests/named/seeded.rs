//! Thousands of beginnings that were honest ones.
//!
//! A failure names its seed, which alone makes the case again: `KILN_SEED=n` plays only that one.

use std::{collections::BTreeMap, panic};

use crate::{
    honest,
    play::{End, client_hello, http_head, input},
    random::Random,
};

/// What has been read in two ways.
const WORDS: [&[u8]; 16] = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"\0",
    b"Host: two.test\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"GET / HTTP/1.1\r\nHost: two.test\r\n\r\n",
    b"0\r\n\r\n",
    b"\x16\x03\x01\0\x01",
    b"\0\0\0\x0d\0\x0b\0\0\x08two.test",
    b"\xff\xff",
    b"\0\x01",
];

fn case(seed: u64, honest: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = random.pick(honest).clone();
    if random.one_in(8) {
        bytes.extend(random.pick(honest));
    }
    for _ in 0..random.below(5) {
        mutate(&mut bytes, &mut random);
    }
    if random.one_in(32) {
        bytes.resize(bytes.len() + 20_000, random.byte());
    }
    let cut = u16::from_be_bytes([random.byte(), random.byte()]);
    input(cut, &bytes)
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.byte(),
        2 => bytes.truncate(at),
        3 => {
            let end = bytes.len().min(at + 1 + random.below(12));
            bytes.drain(at..end);
        }
        4 => {
            let some: Vec<u8> = bytes[at..].iter().copied().take(24).collect();
            bytes.splice(at..at, some);
        }
        // Before a line, mostly: where it makes a difference.
        5 => {
            let at =
                bytes[at..].iter().position(|byte| *byte == b'\n').map_or(at, |end| at + end + 1);
            let word = random.pick(&WORDS).iter().copied();
            bytes.splice(at..at, word);
        }
        _ => {
            let word = random.pick(&WORDS).iter().copied();
            bytes.splice(at..at, word);
        }
    }
}

fn check(what: &str, honest: &[Vec<u8>], play: fn(&[u8]) -> End) {
    let seeds = match std::env::var("KILN_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("a seed");
            seed..seed + 1
        }
        Err(_) if std::env::var_os("KILN_FULL").is_some_and(|value| value == "1") => 0..1_000_000,
        Err(_) => 0..50_000,
    };
    let (mut ends, count) = (BTreeMap::new(), seeds.end - seeds.start);
    for seed in seeds {
        let input = case(seed, honest);
        let Ok(end) = panic::catch_unwind(|| play(&input)) else {
            panic!("KILN_SEED={seed} fails")
        };
        *ends.entry(end).or_insert(0_u64) += 1;
    }
    // A net that catches nothing proves nothing.
    if count > 1 {
        for end in [End::Understood, End::Unfinished, End::Refused] {
            assert!(ends.get(&end).is_some_and(|times| *times * 50 > count), "{what}: {ends:?}");
        }
    }
}

#[test]
fn hellos_by_the_thousand_are_read_in_one_way() {
    check("hellos", &honest::hellos(), client_hello);
}

#[test]
fn requests_by_the_thousand_are_read_in_one_way() {
    check("requests", &honest::requests(), http_head);
}

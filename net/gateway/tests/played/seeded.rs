//! Thousands of exchanges that began as honest ones.
//!
//! A failure names its seed, which alone makes the case again: `KILN_SEED=n` plays only that one.

use std::{collections::BTreeMap, panic};

use crate::{
    honest,
    play::{AS_IT_IS, End, STREAM, WITH_ID, WITH_QUESTION, input, play},
    random::Random,
};

struct Honest {
    questions: Vec<Vec<u8>>,
    answers: Vec<Vec<u8>>,
}

fn case(seed: u64, honest: &Honest) -> Vec<u8> {
    let mut random = Random(seed);
    let mut question = random.pick(&honest.questions).clone();
    // Most questions are left alone, or nothing but refusals would be seen.
    if random.one_in(3) {
        mutate(&mut question, &mut random);
    }
    let answers: Vec<Vec<u8>> = (0..=random.below(3))
        .map(|_| {
            let mut answer = random.pick(&honest.answers).clone();
            if !random.one_in(3) {
                for _ in 0..=random.below(4) {
                    mutate(&mut answer, &mut random);
                }
            }
            answer
        })
        .collect();
    let fit = if random.one_in(8) { *random.pick(&[AS_IT_IS, WITH_ID]) } else { WITH_QUESTION };
    let setting = random.byte() & 7 | fit | if random.one_in(2) { STREAM } else { 0 };
    let answers: Vec<&[u8]> = answers.iter().map(Vec::as_slice).collect();
    input(setting, &question, &answers)
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
        // A pointer to somewhere near.
        3 => {
            let to = random.byte() & 0x3f;
            bytes.splice(at..bytes.len().min(at + 2), [0xc0, to]);
        }
        4 => {
            let some: Vec<u8> = bytes[at..].iter().copied().take(16).collect();
            bytes.splice(at..at, some);
        }
        5 => {
            let end = bytes.len().min(at + 1 + random.below(12));
            bytes.drain(at..end);
        }
        _ => {
            let word = random.pick(&[[0, 0], [0xff, 0xff], [0, 1], [0x7f, 0xff], [0x40, 0]]);
            bytes.splice(at..bytes.len().min(at + 2), *word);
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn exchanges_by_the_thousand_hold_what_they_may() {
    let honest = Honest { questions: honest::questions(), answers: honest::answers() };
    let seeds = match std::env::var("KILN_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) if std::env::var_os("KILN_FULL").is_some_and(|value| value == "1") => 0..100_000,
        Err(_) => 0..10_000,
    };
    let (mut ends, count) = (BTreeMap::new(), seeds.end - seeds.start);
    for seed in seeds {
        let input = case(seed, &honest);
        let Ok(end) = panic::catch_unwind(|| play(&input)) else {
            panic!("KILN_SEED={seed} fails")
        };
        *ends.entry(end).or_insert(0_u64) += 1;
    }
    println!("{count} exchanges: {ends:?}");
    if count > 1 {
        let told = |code, few: bool| {
            ends.iter().any(|(end, times)| match end {
                End::Told(own, addresses) => {
                    *own == code && (*addresses > 0) != few && *times >= 20
                }
                End::Silent => false,
            })
        };
        // Answered, empty, failed, missing, refused, malformed: a net that catches nothing else
        // would prove nothing.
        assert!(told(0, false) && told(0, true), "{ends:?}");
        for code in [1, 2, 3, 5] {
            assert!(told(code, true), "{code}: {ends:?}");
        }
    }
}

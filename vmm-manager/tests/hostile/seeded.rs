//! Thousands of conversations that began as honest ones.
//!
//! A failure names its seed, which alone makes the case again: `KILN_SEED=n` plays only that one.

use std::{collections::BTreeMap, env, fs, panic};

use kiln_vmm_manager::guest::GuestError;

use crate::{
    corpus,
    frame::Frame,
    judge::weighed,
    mutate::mutate,
    play::{self, Outcome, PIECES, RESUMED},
    random::Random,
};

const RECORDINGS: [&str; 10] = [
    "exits",
    "refused",
    "full",
    "output",
    "other-version",
    "version-refused",
    "resumed",
    "resumed-refused",
    "disk-refused",
    "forgotten",
];

/// What an honest agent sent.
#[derive(Debug)]
struct Recording {
    resumed: bool,
    frames: Vec<Frame>,
}

/// What a seed makes of the recordings: an input of the player.
fn input(seed: u64, recordings: &[Recording]) -> Vec<u8> {
    let mut random = Random(seed);
    let Recording { resumed, frames } = random.pick(recordings);
    let mut frames = frames.clone();
    for _ in 0..=random.below(4) {
        mutate(&mut frames, &random.pick(recordings).frames, &mut random);
    }
    // Now and then to a client that has asked for something else.
    let resumed = *resumed ^ random.one_in(20);
    let mut bytes = vec![random.byte() & !RESUMED | if resumed { RESUMED } else { 0 }];
    if bytes[0] & 3 == PIECES {
        // Pieces so small that all of them together outlast the limits are the cases of `slow`.
        bytes[0] |= 0x70;
    }
    for frame in &frames {
        frame.encode(&mut bytes);
    }
    bytes
}

/// How many of `input`'s frames the client took, whole or in part.
fn frames_taken(input: &[u8], outcome: &Outcome) -> usize {
    let mut end = 0;
    let begins_before = |frame: &&[u8]| {
        let begin = end;
        end += frame.len();
        begin < outcome.taken
    };
    play::frames(&input[1..]).take_while(begins_before).count()
}

fn kind(outcome: &Outcome) -> &'static str {
    match &outcome.result {
        Ok(_) => "transcript",
        Err(GuestError::Silent { .. }) => "silent",
        Err(GuestError::Lost { .. }) => "lost",
        Err(GuestError::Protocol { .. }) => "protocol",
        Err(GuestError::Version { .. }) => "version",
        Err(GuestError::Agent { .. }) => "agent",
        Err(_) => "ours",
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn frames_by_the_thousand_end_in_typed_failures() {
    // The kept ones: a new recording has another date in it, and a seed would mean another case.
    let recordings = RECORDINGS.map(|name| {
        let input = fs::read(corpus::directory().join(name)).unwrap();
        let frames = play::frames(&input[1..]).map(Frame::decode).collect();
        Recording { resumed: input[0] & RESUMED != 0, frames }
    });
    let only: Option<u64> = env::var("KILN_SEED").ok().map(|seed| seed.parse().unwrap());
    let wanted = if crate::full() { 100_000 } else { 10_000 };
    let (mut frames, mut peak) = (0, 0);
    let mut ends = BTreeMap::<_, usize>::new();
    for seed in only.unwrap_or(0).. {
        let input = input(seed, &recordings);
        let played = panic::catch_unwind(|| weighed(|| play::play(&input)));
        let Ok((outcome, growth)) = played else { panic!("KILN_SEED={seed} fails") };
        frames += frames_taken(&input, &outcome);
        peak = peak.max(growth.peak);
        *ends.entry(kind(&outcome)).or_default() += 1;
        if frames >= wanted || only.is_some() {
            break;
        }
    }
    assert!(only.is_some() || ends.len() == 6, "not every end was met: {ends:?}");
    assert!(only.is_some() || ends.values().all(|count| *count >= 5), "{ends:?}");
    println!("{frames} frames, at most {peak} bytes at once, ends: {ends:?}");
}

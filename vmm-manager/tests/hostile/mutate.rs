//! Honest recordings made wrong, in the places where it matters.

use crate::{
    agent::{
        EXEC, HELLO, PACK, WORK, disk_refusal, done, exit, progress, refusal, start, start_at,
        stderr, stdout, taken,
    },
    frame::{self, CONTINUATION, DATA, END_HEADERS, Frame, GOAWAY, HEADERS, message},
    random::Random,
};

/// Numbers at which something changes.
const EDGES: [u32; 14] = [
    0,
    1,
    2,
    3,
    5,
    255,
    16_384,
    16_385,
    65_536,
    262_144,
    262_145,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX,
];

/// Changes `frames` in one way; `other` is what frames may be taken from.
pub(crate) fn mutate(frames: &mut Vec<Frame>, other: &[Frame], random: &mut Random) {
    if frames.is_empty() {
        return frames.extend_from_slice(other);
    }
    let at = random.below(frames.len());
    match random.below(16) {
        0 => frames.insert(at, frames[at].clone()),
        1 => drop(frames.remove(at)),
        2 => {
            let other = random.below(frames.len());
            frames.swap(at, other);
        }
        3 => resize(&mut frames[at], random),
        4 => frames[at].kind = if random.one_in(4) { random.byte() } else { random.byte() % 10 },
        5 => frames[at].flags ^= 1 << random.below(8),
        6 => frames[at].stream = *random.pick(&[0, HELLO, 2, EXEC, WORK, PACK, 9, u32::MAX]),
        7 => frames[at].claim = Some(*random.pick(&EDGES)),
        8 => prefix(&mut frames[at], random),
        9 => fields(&mut frames[at], random),
        10 => flip(&mut frames[at], random),
        11 => split(frames, at, random),
        12 => frames.insert(at, invented(random)),
        13 => {
            let from = random.below(other.len());
            frames.splice(at.., other[from..].iter().cloned());
        }
        14 => {
            let copies = vec![frames[at].clone(); random.below(40)];
            frames.splice(at..at, copies);
        }
        _ => {
            let body = answer(random);
            let stream = *random.pick(&[EXEC, EXEC, WORK, WORK, PACK]);
            frames.insert(at, Frame::new(DATA, random.byte() & 1, stream, message(&body)));
        }
    }
}

fn resize(frame: &mut Frame, random: &mut Random) {
    if random.one_in(2) {
        frame.payload.truncate(random.below(frame.payload.len() + 1));
    } else {
        let more = random.bytes(300);
        frame.payload.extend(more);
    }
}

/// Another flag or length in front of a gRPC message.
fn prefix(frame: &mut Frame, random: &mut Random) {
    if let Some(prefix) = frame.payload.get_mut(..5) {
        if random.one_in(3) {
            prefix[0] = random.byte();
        } else {
            let length = random.word() >> random.below(32);
            let length = if random.one_in(2) { *random.pick(&EDGES) } else { length };
            prefix[1..].copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// The message of a frame with other fields in it, and a prefix that is true again.
fn fields(frame: &mut Frame, random: &mut Random) {
    let mut body = frame.payload.get(5..).unwrap_or_default().to_vec();
    let field = u32::try_from(random.below(12)).expect("small");
    let more = match random.below(3) {
        0 => frame::number(field, random.next().cast_signed() >> random.below(64)),
        1 => frame::bytes(field, &random.bytes(40)),
        _ => frame::varint(random.next() >> random.below(64)),
    };
    let at = random.below(body.len() + 1);
    body.splice(at..at, more);
    frame.payload = message(&body);
}

fn flip(frame: &mut Frame, random: &mut Random) {
    for _ in 0..=random.below(4) {
        if frame.payload.is_empty() {
            return;
        }
        let at = random.below(frame.payload.len());
        frame.payload[at] ^= 1 << random.below(8);
    }
}

/// Two frames of one, as HTTP/2 allows.
fn split(frames: &mut Vec<Frame>, at: usize, random: &mut Random) {
    let first = &mut frames[at];
    let rest = first.payload.split_off(random.below(first.payload.len() + 1));
    let mut second = Frame { payload: rest, ..first.clone() };
    if first.kind == HEADERS {
        first.flags &= !END_HEADERS;
        second.kind = CONTINUATION;
    }
    frames.insert(at + 1, second);
}

/// A frame that might stand anywhere.
fn invented(random: &mut Random) -> Frame {
    let kind = random.byte() % (GOAWAY + 4);
    let stream = *random.pick(&[0, 0, HELLO, EXEC, EXEC, WORK, PACK]);
    let flags = if random.one_in(2) { 0 } else { random.byte() };
    let edge = random.pick(&EDGES).to_be_bytes();
    let payload = match random.below(5) {
        0 => Vec::new(),
        1 => edge.to_vec(),
        2 => [&[0, random.byte() % 7][..], &edge].concat(),
        3 => random.next().to_be_bytes().to_vec(),
        _ => random.bytes(64),
    };
    Frame::new(kind, flags, stream, payload)
}

/// Something that an agent may say of a command or a disk, at the right moment or not.
fn answer(random: &mut Random) -> Vec<u8> {
    // Most of them near where they might be right.
    let near = *random.pick(&[0, 6, 14, 100, 150, 1000, 1005, 10_000]);
    let any = random.next().cast_signed() >> random.below(64);
    let offset = if random.one_in(3) { any } else { near };
    match random.below(11) {
        0 => start(),
        1 => stdout(offset, &random.bytes(2000)),
        2 => stderr(offset, &random.bytes(3)),
        3 => exit(any),
        4 => refusal((random.next() % 9).cast_signed(), &random.bytes(600)),
        5 => start_at(offset, random.one_in(2)),
        6 => taken(offset),
        7 => progress(offset),
        8 => done(offset),
        9 => disk_refusal((random.next() % 8).cast_signed(), &random.bytes(600)),
        _ => random.bytes(30),
    }
}

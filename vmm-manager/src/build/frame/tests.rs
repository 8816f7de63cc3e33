use std::{env, fs, path::Path};

use bytes::Bytes;
use kiln_proto::agent::{
    MAX_BUILD_EVENT_BYTES, event,
    v1::{self, build_event::Event as Wire},
};
use proptest::prelude::*;

use super::{Cutter, FrameError, MAX_FRAME_BYTES, decode};
use crate::build::event::{Event, InvalidEvent};

pub(in crate::build) fn frame(wire: Wire) -> Vec<u8> {
    let mut frame = Vec::new();
    event::append(&v1::BuildEvent { event: Some(wire) }, &mut frame);
    frame
}

pub(in crate::build) fn log_frame(step: u32, data: &[u8]) -> Vec<u8> {
    let data = data.to_vec().into();
    frame(Wire::Log(v1::BuildLog { step, stream: 1, unix_nanos: 1, data }))
}

fn row() -> Vec<Vec<u8>> {
    let name = "n".repeat(300);
    vec![
        frame(Wire::Step(v1::BuildStep { number: 1, name, ..v1::BuildStep::default() })),
        log_frame(1, b"x"),
        log_frame(1, &[0xff; 16 << 10]),
        frame(Wire::Summary(v1::BuildSummary { steps: 1, more_steps: 0 })),
        frame(Wire::Done(v1::BuildDone::default())),
    ]
}

fn cut(cutter: &mut Cutter, bytes: &[u8]) -> (Vec<Bytes>, Result<(), FrameError>) {
    let pushed = cutter.push(Bytes::copy_from_slice(bytes));
    (std::iter::from_fn(|| cutter.next()).collect(), pushed)
}

#[test]
fn frames_come_out_whole_however_they_come_in() {
    let row = row();
    let bytes = row.concat();
    for size in [1, 2, 3, 5, 299, 4096, bytes.len()] {
        let mut cutter = Cutter::new();
        let mut found = Vec::new();
        for piece in bytes.chunks(size) {
            let (frames, pushed) = cut(&mut cutter, piece);
            pushed.unwrap();
            found.extend(frames);
            assert!(cutter.partial_bytes() < MAX_FRAME_BYTES);
        }
        assert_eq!(found, row, "in pieces of {size}");
        assert_eq!(cutter.partial_bytes(), 0);
        for frame in found {
            decode(&frame).unwrap();
        }
    }
}

#[test]
fn what_is_no_row_of_events() {
    let check = |bytes: &[u8], expected: &str| {
        for size in [1, bytes.len()] {
            let mut cutter = Cutter::new();
            let error = bytes.chunks(size).find_map(|piece| cut(&mut cutter, piece).1.err());
            assert_eq!(error.unwrap().to_string(), expected, "{bytes:?}");
        }
    };
    check(&[0], "an event is empty");
    let long = "an event's length is longer than 3 bytes, or than it need be";
    check(&[0x80, 0x80, 0x80, 0x80], long);
    check(&[0x81, 0x00], long);
    check(&[0xff; 10], long);
    check(&[0x81, 0x80, 0x02], "an event is of 32769 bytes, over the bound of 32768");
    check(&[0xff, 0xff, 0x7f], "an event is of 2097151 bytes, over the bound of 32768");
}

#[test]
fn what_was_whole_before_an_error_is_had() {
    let mut bytes = log_frame(1, b"x");
    bytes.push(0);
    let (frames, pushed) = cut(&mut Cutter::new(), &bytes);
    assert_eq!(frames, [log_frame(1, b"x")]);
    assert!(matches!(pushed, Err(FrameError::Empty)));
}

#[test]
fn one_frame_and_nothing_else_is_decoded() {
    let frame = log_frame(1, b"x");
    assert!(matches!(decode(&frame[..frame.len() - 1]), Err(FrameError::NotOne { .. })));
    assert!(matches!(decode(&[&frame[..], b"\0"].concat()), Err(FrameError::NotOne { .. })));
    assert!(matches!(decode(&[]), Err(FrameError::NotOne { .. })));
    assert!(matches!(decode(&[2, 0xff, 0xff]), Err(FrameError::Undecodable(_))));
    // A step whose name is no UTF-8.
    assert!(matches!(decode(&[5, 0x0a, 3, 0x1a, 1, 0xff]), Err(FrameError::Undecodable(_))));
    // A field that no event has.
    let unknown = decode(&[2, 0x78, 1]);
    assert!(matches!(unknown, Err(FrameError::Invalid(InvalidEvent::Unknown))), "{unknown:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Whatever a guest says in whatever pieces: the same events, and no more held than a frame.
    #[test]
    fn no_bytes_are_a_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..60),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        whole in 0..3_usize,
        size in 1..40_usize,
    ) {
        let mut row: Vec<u8> = row().into_iter().filter(|frame| frame.len() < 400).cycle()
            .take(whole).flatten().collect();
        for (place, byte) in flips {
            if !row.is_empty() {
                let place = place.index(row.len());
                row[place] ^= byte;
            }
        }
        row.append(&mut bytes);
        let read = |size: usize| {
            let mut cutter = Cutter::new();
            let mut events = Vec::new();
            for piece in row.chunks(size) {
                let (frames, pushed) = cut(&mut cutter, piece);
                for frame in frames {
                    assert!(frame.len() <= MAX_FRAME_BYTES);
                    match decode(&frame) {
                        Ok(event) => events.push(event),
                        Err(error) => return (events, Some(error.to_string())),
                    }
                }
                if let Err(error) = pushed {
                    return (events, Some(error.to_string()));
                }
                assert!(cutter.partial_bytes() <= MAX_FRAME_BYTES);
            }
            (events, None)
        };
        let whole: (Vec<Event>, _) = read(row.len().max(1));
        prop_assert_eq!(read(size), whole);
    }
}

#[test]
fn a_length_that_lies_is_not_waited_for_in_memory() {
    // 32 KiB are promised, and come byte by byte.
    let mut cutter = Cutter::new();
    cut(&mut cutter, &[0x80, 0x80, 0x02]).1.unwrap();
    for _ in 1..MAX_BUILD_EVENT_BYTES {
        cut(&mut cutter, &[0]).1.unwrap();
    }
    assert_eq!(cutter.partial_bytes(), MAX_FRAME_BYTES - 1);
    let (frames, pushed) = cut(&mut cutter, &[0]);
    assert!(pushed.is_ok() && decode(&frames[0]).is_err());
}

/// What the fuzz target `build_events` knows: `KILN_BLESS=1` writes the cases by hand.
#[test]
fn the_corpus_is_read_the_same_however_it_is_cut() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/build_events");
    if env::var_os("KILN_BLESS").is_some() {
        fs::create_dir_all(&directory).unwrap();
        for (name, bytes) in by_hand() {
            fs::write(directory.join(name), [&[6], &bytes[..]].concat()).unwrap();
        }
    }
    let mut cases = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let input = fs::read(entry.unwrap().path()).unwrap();
        let (size, row) = input.split_first().unwrap();
        let read = |size: usize| {
            let mut cutter = Cutter::new();
            let mut events = Vec::new();
            for piece in row.chunks(size) {
                let (frames, pushed) = cut(&mut cutter, piece);
                for frame in frames {
                    let Ok(event) = decode(&frame) else { return events };
                    events.push(event);
                }
                if pushed.is_err() {
                    return events;
                }
            }
            events
        };
        assert_eq!(read(usize::from(*size) + 1), read(row.len()));
        cases += 1;
    }
    assert!(cases >= by_hand().len());
}

fn by_hand() -> Vec<(&'static str, Vec<u8>)> {
    let short = |frames: Vec<Vec<u8>>| {
        frames.into_iter().filter(|frame| frame.len() < 400).collect::<Vec<_>>().concat()
    };
    let error = Wire::Error(v1::BuildError {
        message: "failed to solve".to_owned(),
        step: 1,
        file: "Dockerfile".to_owned(),
        first_line: 2,
        last_line: 3,
        excerpt: ">>> RUN".to_owned(),
        full_disk: "kiln-out-0".to_owned(),
    });
    let warning = Wire::Warning(v1::BuildWarning {
        step: 1,
        text: "old".to_owned(),
        details: vec!["a".to_owned(), String::new()],
        ..v1::BuildWarning::default()
    });
    let progress = v1::BuildProgress { step: 1, total: u64::MAX, ..v1::BuildProgress::default() };
    vec![
        ("row", short(row())),
        ("fails", [frame(warning), frame(Wire::Progress(progress)), frame(error)].concat()),
        ("long-length", vec![0xff; 10]),
        ("empty", vec![0]),
        ("cut", short(row())[..100].to_vec()),
    ]
}

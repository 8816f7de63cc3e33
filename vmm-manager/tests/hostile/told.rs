//! A build of which the guest tells lies: how long an event is, how many steps there are, in which
//! order, in what letters, of what size. What of it is an event is in the log; the graph stays within
//! its bounds; the first thing that is none ends it.

use std::path::Path;

use bytes::Bytes;
use kiln_proto::agent::{
    MAX_BUILD_LOG_BYTES, MAX_BUILD_NAME_BYTES, MAX_BUILD_STEPS, MAX_BUILD_TEXT_BYTES, event,
    v1::{self, build_event::Event as Wire},
};
use kiln_vmm_manager::{
    build::{
        BuildRecord,
        event::Event,
        reader::{Entry, Reader},
        tracker::Tracker,
    },
    log::{Log, LogQuota, LogWriter},
};
use tokio::runtime;

use crate::{memory::weigh, random::Random};

const MEBIBYTE: usize = 1 << 20;
const QUOTA: LogQuota = LogQuota { head_bytes: 1 << 20, tail_segment_bytes: 1 << 19 };

fn last() -> u32 {
    u32::try_from(MAX_BUILD_STEPS).expect("few")
}

fn frame(wire: Wire) -> Vec<u8> {
    let mut frame = Vec::new();
    event::append(&v1::BuildEvent { event: Some(wire) }, &mut frame);
    frame
}

fn step(number: u32, name: &str) -> v1::BuildStep {
    v1::BuildStep { number, name: name.to_owned(), ..v1::BuildStep::default() }
}

fn log(step: u32, byte: u8, length: usize) -> Vec<u8> {
    let data = vec![byte; length].into();
    frame(Wire::Log(v1::BuildLog { step, stream: 1, unix_nanos: u64::MAX, data }))
}

/// What came of a guest's stream, in pieces of `size`.
struct Told {
    error: Option<String>,
    record: BuildRecord,
    log: Log,
}

async fn tell(directory: &Path, pieces: impl Iterator<Item = Vec<u8>>) -> Told {
    let (mut writer, log) = LogWriter::create(directory.into(), QUOTA);
    let mut tracker = Tracker::of(&log).await.expect("an empty log");
    let mut error = None;
    for piece in pieces {
        if let Err(broken) = tracker.append(Bytes::from(piece), &mut writer).await {
            error = Some(broken.to_string());
            break;
        }
    }
    let mut record = BuildRecord::default();
    tracker.record_into(&mut record);
    Told { error, record, log }
}

/// The same, weighed: of what lives at once it may be `most`.
fn weighed<T>(
    most: usize,
    pieces: impl Iterator<Item = Vec<u8>>,
    look: impl AsyncFnOnce(Told) -> T,
) -> T {
    let directory = tempfile::tempdir().expect("a directory");
    let (looked, growth) = weigh(|| {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let told = tell(directory.path(), pieces).await;
            look(told).await
        })
    });
    assert!(growth.peak < most.cast_signed(), "{} bytes lived at once", growth.peak);
    looked
}

fn ends_with(pieces: Vec<Vec<u8>>, expected: &str) {
    let good = log(1, b'x', 10);
    let pieces = std::iter::once(good.clone()).chain(pieces);
    let (error, logged) =
        weighed(MEBIBYTE, pieces, async |told| (told.error, told.log.summary().end_offset));
    let error = error.expect("it is no event");
    assert!(error.contains(expected), "{error}");
    assert_eq!(logged, good.len() as u64, "what came before it is kept, and nothing of it");
}

#[test]
fn a_length_of_gibibytes() {
    ends_with(vec![vec![0x80, 0x80, 0x80, 0x80, 0x28]], "length is longer");
    ends_with(vec![vec![0xff; 10]], "length is longer");
    ends_with(vec![vec![0xff, 0xff, 0x7f]], "over the bound");
    // Byte by byte, and for ever.
    ends_with(vec![vec![0x80]; 1000], "length is longer");
    ends_with(vec![vec![0]], "empty");
}

#[test]
fn a_field_of_gibibytes() {
    // A log whose data says to be of 4 GiB, in an event of a few bytes.
    let mut data = vec![0x12, 8, 0x22, 0x80, 0x80, 0x80, 0x80, 0x10, b'x', b'x'];
    data.insert(0, u8::try_from(data.len()).expect("short"));
    ends_with(vec![data], "cannot be decoded");
}

#[test]
fn letters_that_are_none() {
    let mut bytes = frame(Wire::Step(step(1, "name")));
    let place = bytes.windows(4).position(|part| part == b"name").expect("it is there");
    bytes[place] = 0xff;
    ends_with(vec![bytes], "cannot be decoded");
}

#[test]
fn numbers_that_no_step_has() {
    for number in [0, last() + 1, u32::MAX] {
        ends_with(vec![frame(Wire::Step(step(number, "x")))], "steps are numbered");
        ends_with(vec![log(number, b'x', 1)], "steps are numbered");
    }
}

#[test]
fn texts_over_their_bounds() {
    ends_with(
        vec![frame(Wire::Step(step(1, &"x".repeat(MAX_BUILD_NAME_BYTES + 1))))],
        "over the bound",
    );
    ends_with(vec![log(1, b'x', MAX_BUILD_LOG_BYTES + 1)], "over the bound");
    let message = "x".repeat(MAX_BUILD_TEXT_BYTES + 1);
    ends_with(
        vec![frame(Wire::Error(v1::BuildError { message, ..v1::BuildError::default() }))],
        "over the bound",
    );
}

/// Each within its bounds, over and over, and each time another.
#[test]
fn steps_without_end() {
    let rounds = if crate::full() { 20 } else { 2 };
    let name = "n".repeat(MAX_BUILD_NAME_BYTES);
    let inputs: Vec<u32> = (1..=100).collect();
    let events = (0..rounds).flat_map(|round| {
        let (name, inputs) = (name.clone(), inputs.clone());
        (1..=last()).map(move |number| {
            let step = v1::BuildStep {
                inputs: inputs.clone(),
                started_unix_nanos: round,
                error: name.clone(),
                ..step(number, &name)
            };
            frame(Wire::Step(step))
        })
    });
    let record = weighed(10 * MEBIBYTE, events, async |told| {
        assert_eq!(told.error, None);
        told.record
    });
    assert_eq!(record.steps.len(), MAX_BUILD_STEPS);
}

/// Nothing of it is a lie that can be seen; nothing of it does any harm.
#[test]
fn everything_in_the_wrong_order() {
    let done = frame(Wire::Done(v1::BuildDone::default()));
    let summary = frame(Wire::Summary(v1::BuildSummary { steps: u32::MAX, more_steps: u32::MAX }));
    let failed = frame(Wire::Error(v1::BuildError { step: 7, ..v1::BuildError::default() }));
    let progress = frame(Wire::Progress(v1::BuildProgress {
        step: 9,
        current: u64::MAX,
        total: 1,
        started_unix_nanos: u64::MAX,
        completed_unix_nanos: 1,
        ..v1::BuildProgress::default()
    }));
    let over = v1::BuildStep {
        inputs: vec![7, 7, 9],
        started_unix_nanos: 9,
        completed_unix_nanos: 1,
        ..step(7, "is its own input")
    };
    let pieces = [
        done.clone(),
        failed.clone(),
        summary,
        log(9, 0x1b, 3),
        progress,
        frame(Wire::Step(over)),
        failed,
        done,
    ];
    let record = weighed(MEBIBYTE, pieces.into_iter(), async |told| {
        assert_eq!(told.error, None);
        told.record
    });
    assert_eq!((record.steps.len(), record.more_steps), (1, u32::MAX));
}

/// More than the log keeps, cut at random: memory and disk stay within their bounds, the log's end is
/// kept, and its readers see whole events.
#[test]
fn output_without_end() {
    let mebibytes = if crate::full() { 1024 } else { 48 };
    let mut random = Random(7);
    let mut rest = Vec::new();
    let mut told = 0;
    let mut round = 0;
    let pieces = std::iter::from_fn(move || {
        while rest.len() < 64 * 1024 && told < mebibytes * MEBIBYTE {
            round += 1;
            let length = 1 + random.below(MAX_BUILD_LOG_BYTES);
            told += length;
            rest.extend(log(1 + round % 100, b'x', length));
        }
        let cut = random.below(64 * 1024).max(1).min(rest.len());
        (!rest.is_empty()).then(|| rest.drain(..cut).collect())
    });
    let last = log(1, b'!', 5);
    let pieces = pieces.chain([last]);
    weighed(8 * MEBIBYTE, pieces, async |told| {
        assert_eq!(told.error, None);
        let mut reader = Reader::new(&told.log, 0);
        let (mut gaps, mut end, mut words) = (0, 0, Bytes::new());
        while let Some(entry) = reader.next_stored().await.expect("whole events") {
            match entry {
                Entry::Gap { offset, dropped_bytes } => {
                    assert_eq!(offset, end);
                    (gaps, end) = (gaps + 1, offset + dropped_bytes);
                }
                Entry::Event { offset, next_offset, event, .. } => {
                    assert_eq!(offset, end);
                    end = next_offset;
                    if let Event::Log(log) = event {
                        words = log.data;
                    }
                }
            }
        }
        assert_eq!((gaps, &words[..]), (1, &b"!!!!!"[..]));
        assert_eq!(end, told.log.summary().end_offset);
    });
}

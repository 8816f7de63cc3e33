use kiln_proto::agent::v1::{self, build_event::Event as Wire};

use super::{Entry, ReadError, Reader};
use crate::{
    build::{
        event::Event,
        frame::tests::{frame, log_frame},
    },
    log::{Log, LogQuota, LogWriter},
    stream::Stream,
};

async fn written(directory: &std::path::Path, quota: LogQuota, frames: &[Vec<u8>]) -> Log {
    let (mut writer, log) = LogWriter::create(directory.into(), quota);
    for frame in frames {
        writer.append(Stream::Stdout, frame).await.unwrap();
    }
    log
}

#[tokio::test]
async fn events_come_back_from_any_offset_that_was_named() {
    let directory = tempfile::tempdir().unwrap();
    let frames: Vec<_> = (1..=9).map(|step| log_frame(step, b"some output")).collect();
    let log = written(directory.path(), LogQuota::default(), &frames).await;
    let mut offsets = vec![0];
    let mut reader = Reader::new(&log, 0);
    while let Some(entry) = reader.next_followed().await.unwrap() {
        let Entry::Event { offset, next_offset, event: Event::Log(read), .. } = entry else {
            panic!("{entry:?} is no log")
        };
        assert_eq!((offset, read.step as usize), (offsets[offsets.len() - 1], offsets.len()));
        offsets.push(next_offset);
    }
    for (place, offset) in offsets.iter().enumerate().take(9) {
        let entry = Reader::new(&log, *offset).next_stored().await.unwrap();
        let Some(Entry::Event { event: Event::Log(read), .. }) = entry else { panic!("{entry:?}") };
        assert_eq!(read.step as usize, place + 1);
    }
    let within = Reader::new(&log, 3).next_stored().await;
    assert!(matches!(within, Err(ReadError::NoEvent { offset: 3, .. })), "{within:?}");
    assert_eq!(Reader::new(&log, 9999).next_stored().await.unwrap(), None);
}

#[tokio::test]
async fn what_the_quota_dropped_is_whole_events() {
    let directory = tempfile::tempdir().unwrap();
    let step = |number| {
        let (name, digest) = ("n".repeat(number as usize % 50), "d".to_owned());
        frame(Wire::Step(v1::BuildStep { number, name, digest, ..v1::BuildStep::default() }))
    };
    let frames: Vec<_> = (1..=500).map(step).collect();
    let quota = LogQuota { head_bytes: 2000, tail_segment_bytes: 1000 };
    let log = written(directory.path(), quota, &frames).await;
    let mut numbers = Vec::new();
    let mut gap = None;
    let mut reader = Reader::new(&log, 0);
    while let Some(entry) = reader.next_stored().await.unwrap() {
        match entry {
            Entry::Gap { dropped_bytes, .. } => gap = Some((numbers.len(), dropped_bytes)),
            Entry::Event { event: Event::Step(step), .. } => numbers.push(step.number),
            other @ Entry::Event { .. } => panic!("{other:?} is no step"),
        }
    }
    let (before, bytes) = gap.unwrap();
    let dropped = 500 - numbers.len();
    let lengths = frames[before..before + dropped].iter().map(Vec::len);
    assert_eq!(bytes, lengths.sum::<usize>() as u64);
    assert_eq!(
        (numbers[0], numbers[before], numbers[numbers.len() - 1]),
        (1, u32::try_from(before + dropped + 1).unwrap(), 500)
    );
}

//! What a log keeps, what it drops, and what its readers see.

mod faults;
mod killed;
mod pinned;
mod recovery;
mod sealed;

use std::{fs, path::Path};

pub(super) use self::faults::Faults;
use super::{Log, LogEvent, LogQuota, LogReader, LogWriter};
use crate::stream::Stream;

const SMALL: LogQuota = LogQuota { head_bytes: 400, tail_segment_bytes: 300 };

/// The byte that stands at an offset of every job in these tests: never 0, which a tear leaves.
fn byte_at(offset: u64) -> u8 {
    offset.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7] | 1
}

fn bytes_at(offset: u64, length: usize) -> Vec<u8> {
    (offset..offset + length as u64).map(byte_at).collect()
}

/// Appends the next `length` bytes, on the stream that this length goes to.
async fn append(writer: &mut LogWriter, length: usize) {
    let data = bytes_at(writer.end_offset(), length);
    writer.append(stream_of(length), &data).await.unwrap();
}

fn stream_of(length: usize) -> Stream {
    if length.is_multiple_of(2) { Stream::Stdout } else { Stream::Stderr }
}

/// What was stored, from an offset on.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stored {
    end: u64,
    dropped: u64,
    /// Where each record ends.
    ends: Vec<u64>,
}

/// Reads to the end, and holds every byte against what must stand there.
async fn stored(mut reader: LogReader) -> Stored {
    let mut stored = Stored { end: reader.offset(), ..Stored::default() };
    let from = stored.end;
    while let Some(event) = reader.next_stored().await.unwrap() {
        match event {
            LogEvent::Chunk { offset, stream, data, .. } => {
                assert_eq!(offset, stored.end);
                assert_eq!(data, bytes_at(offset, data.len()), "at {offset}");
                assert!(offset == from || stream == stream_of(data.len()), "at {offset}");
                stored.end += data.len() as u64;
                stored.ends.push(stored.end);
            }
            LogEvent::Gap { offset, dropped_bytes } => {
                assert_eq!(offset, stored.end);
                assert!(dropped_bytes > 0);
                stored.end += dropped_bytes;
                stored.dropped += dropped_bytes;
            }
        }
    }
    stored
}

/// What a log holds, which its summary tells too.
async fn whole(log: &Log) -> Stored {
    let stored = stored(log.read_from(0)).await;
    let summary = log.summary();
    assert_eq!((summary.end_offset, summary.dropped_bytes), (stored.end, stored.dropped));
    stored
}

fn on_disk(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

async fn reopened(directory: &Path, quota: LogQuota) -> (LogWriter, Log) {
    LogWriter::open(directory.into(), quota).await.unwrap()
}

#[tokio::test]
async fn both_streams_come_back_in_order_from_any_offset() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), LogQuota::default());
    for length in [4, 3, 5] {
        append(&mut writer, length).await;
    }
    for offset in 0..=12 {
        assert_eq!(stored(log.read_from(offset)).await.end, 12, "from {offset}");
    }
    assert_eq!(stored(log.read_from(99)).await.end, 99);
    let mut reader = log.read_from(5);
    let Some(LogEvent::Chunk { offset: 5, stream: Stream::Stderr, data, .. }) =
        reader.next_stored().await.unwrap()
    else {
        panic!("the second record is on stderr")
    };
    assert_eq!(data, bytes_at(5, 2));
}

#[tokio::test]
async fn the_middle_is_dropped_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), SMALL);
    for number in 0..1000 {
        append(&mut writer, 1 + number % 12).await;
        assert!(on_disk(directory.path()) <= SMALL.head_bytes + 2 * SMALL.tail_segment_bytes);
    }
    let kept = whole(&log).await;
    assert!(kept.dropped > 0);
    assert!(kept.ends[0] == 1, "the beginning is kept");
    // What a whole segment of the shortest records holds.
    let tail = SMALL.tail_segment_bytes / 18 - 3;
    assert!(stored(log.read_from(kept.end - tail)).await.dropped == 0, "and the end");
}

#[tokio::test]
async fn a_follower_sees_everything_until_the_close() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), LogQuota::default());
    let mut reader = log.read_from(0);
    let follower = tokio::spawn(async move {
        let mut bytes = Vec::new();
        while let Some(LogEvent::Chunk { data, .. }) = reader.next_followed().await.unwrap() {
            bytes.extend_from_slice(&data);
        }
        bytes
    });
    for _ in 0..200 {
        append(&mut writer, 200).await;
        tokio::task::yield_now().await;
    }
    drop(writer);
    assert_eq!(follower.await.unwrap(), bytes_at(0, 40_000));
}

#[tokio::test]
async fn a_slow_follower_is_told_of_what_it_missed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), SMALL);
    let mut reader = log.read_from(0);
    append(&mut writer, 5).await;
    assert!(matches!(reader.next_followed().await.unwrap(), Some(LogEvent::Chunk { .. })));
    for _ in 0..100 {
        append(&mut writer, 50).await;
    }
    drop(writer);
    let rest = stored(reader).await;
    assert!(rest.dropped > 0);
    assert_eq!(rest.end, 5 + 100 * 50);
}

/// A caller that goes at any moment leaves a record whole or not at all, and the next one is well.
#[tokio::test]
async fn an_append_that_is_dropped_is_whole_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), SMALL);
    for polls in 0..200 {
        // The bytes of the place that it will come to stand at, whether it is waited for or not.
        writer.settled().await;
        let data = bytes_at(writer.end_offset(), 20);
        let append = writer.append(Stream::Stdout, &data);
        tokio::select! {
            biased;
            appended = append => appended.unwrap(),
            () = async { for _ in 0..polls % 4 { tokio::task::yield_now().await } } => {}
        }
    }
    writer.settled().await;
    append(&mut writer, 7).await;
    let kept = whole(&log).await;
    assert!(kept.end % 20 == 7 && kept.end > 7, "{}", kept.end);
}

#[tokio::test]
async fn a_record_as_long_as_none_is_refused_and_a_long_one_has_its_segment() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), SMALL);
    let error = writer.append(Stream::Stdout, &vec![0; (1 << 20) + 1]).await.unwrap_err();
    assert_eq!((error.offset, error.source.kind()), (0, std::io::ErrorKind::InvalidInput));
    for length in [1000, 4, 2000, 3000, 5, 1 << 20] {
        append(&mut writer, length).await;
    }
    writer.append(Stream::Stdout, &[]).await.unwrap();
    let kept = whole(&log).await;
    assert_eq!((kept.end, kept.dropped), ((1 << 20) + 6009, 5004));
    drop(writer);
    let (_, log) = reopened(directory.path(), SMALL).await;
    assert_eq!(whole(&log).await, kept);
}

//! The one reader that is waited for.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::*;
use crate::log::{ATTACH_WINDOW, PinError, PinnedReader};

const CHUNK: usize = 64 * 1024;
const SOON: Duration = Duration::from_secs(5);

/// Appends until the writer has to wait: how far it came.
async fn until_it_waits(writer: &mut LogWriter, most: u64) -> u64 {
    while writer.end_offset() < most {
        if timeout(SOON, append(writer, CHUNK)).await.is_err() {
            break;
        }
    }
    writer.end_offset()
}

async fn next(reader: &mut PinnedReader) -> (u64, Bytes) {
    match timeout(SOON, reader.next()).await.unwrap().unwrap() {
        Some(LogEvent::Chunk { offset, data, .. }) => (offset, data),
        event => panic!("{event:?}"),
    }
}

fn log() -> (tempfile::TempDir, LogWriter, Log) {
    let directory = tempfile::tempdir().unwrap();
    let (writer, log) = LogWriter::create(directory.path().into(), LogQuota::default());
    (directory, writer, log)
}

const FAR: u64 = 8 * ATTACH_WINDOW;

#[tokio::test(start_paused = true)]
async fn the_writer_stays_within_the_window() {
    let (_directory, mut writer, log) = log();
    let mut reader = log.pin(0);
    let full = ATTACH_WINDOW + CHUNK as u64;
    assert_eq!(until_it_waits(&mut writer, FAR).await, full);
    // One read makes room for one append, again and again.
    for round in 1..20 {
        assert_eq!(next(&mut reader).await.1.len(), CHUNK);
        assert_eq!(until_it_waits(&mut writer, FAR).await, full + round * CHUNK as u64);
    }
    // An ordinary reader is not waited for, and does not make room.
    let mut other = log.read_from(0);
    while other.next_stored().await.unwrap().is_some() {}
    assert!(timeout(SOON, append(&mut writer, 1)).await.is_err());
}

/// Output byte by byte takes far more of the files than of the window.
#[tokio::test]
async fn nothing_is_dropped_that_the_pinned_reader_has_not_seen() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), SMALL);
    let mut reader = log.pin(0);
    let write = async {
        for _ in 0..3000 {
            append(&mut writer, 1).await;
        }
        drop(writer);
    };
    let read = async {
        let mut end = 0;
        while let Some(event) = reader.next().await.unwrap() {
            let LogEvent::Chunk { offset, data, .. } = event else { panic!("{event:?}") };
            assert_eq!((offset, &data[..]), (end, &bytes_at(end, 1)[..]));
            end += 1;
            if end % 7 == 0 {
                tokio::task::yield_now().await;
            }
        }
        end
    };
    assert_eq!(tokio::join!(write, read).1, 3000);
    assert!(log.summary().dropped_bytes > 0, "others may have missed some");
}

#[tokio::test(start_paused = true)]
async fn a_new_reader_takes_the_place() {
    let (_directory, mut writer, log) = log();
    let mut first = log.pin(0);
    until_it_waits(&mut writer, FAR).await;
    let end = writer.end_offset();
    let mut second = log.pin(end - 10);
    assert!(matches!(first.next().await, Err(PinError::Replaced)));
    assert!(matches!(first.next().await, Err(PinError::Replaced)));
    // What the first one leaves behind does not concern the second.
    first.hold(Instant::now() + SOON);
    drop(log.pin(end));
    let mut third = log.pin(end - 10);
    assert!(matches!(second.next().await, Err(PinError::Replaced)));
    drop(second);
    assert_eq!(
        until_it_waits(&mut writer, FAR).await,
        end + ATTACH_WINDOW - ATTACH_WINDOW % CHUNK as u64
    );
    assert_eq!(next(&mut third).await, (end - 10, bytes_at(end - 10, 10).into()));
}

#[tokio::test(start_paused = true)]
async fn one_who_is_expected_is_waited_for_until_the_deadline() {
    let (_directory, mut writer, log) = log();
    let mut reader = log.pin(0);
    append(&mut writer, CHUNK).await;
    append(&mut writer, CHUNK).await;
    let (_, data) = next(&mut reader).await;
    let seen = data.len() as u64;
    reader.hold(Instant::now() + 20 * SOON);
    let full = seen + ATTACH_WINDOW + CHUNK as u64;
    assert_eq!(until_it_waits(&mut writer, FAR).await, full);
    // It comes back with what it has seen, and goes again.
    let mut reader = log.pin(seen);
    assert_eq!(next(&mut reader).await.0, seen);
    assert_eq!(until_it_waits(&mut writer, FAR).await, full + CHUNK as u64);
    let deadline = Instant::now() + 20 * SOON;
    reader.hold(deadline);
    append(&mut writer, CHUNK).await;
    assert!(Instant::now() >= deadline, "the deadline was waited for");
    append(&mut writer, CHUNK).await;
    assert!(Instant::now() < deadline + SOON, "once");
}

#[tokio::test(start_paused = true)]
async fn one_may_be_expected_who_was_never_there() {
    let (_directory, mut writer, log) = log();
    append(&mut writer, CHUNK).await;
    log.expect_until(Instant::now() + 20 * SOON);
    assert_eq!(until_it_waits(&mut writer, FAR).await, ATTACH_WINDOW + 2 * CHUNK as u64);
    let _reader = log.pin(0);
    // Who is there is not made one who is only expected.
    log.expect_until(Instant::now());
    assert!(timeout(20 * SOON, append(&mut writer, 1)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_is_detached_or_dropped_is_not_waited_for() {
    let (_directory, mut writer, log) = log();
    let mut reader = log.pin(0);
    let end = until_it_waits(&mut writer, FAR).await;
    let begin = Instant::now();
    let (detached, ()) = tokio::join!(timeout(SOON, append(&mut writer, CHUNK)), async {
        tokio::time::sleep(SOON / 5).await;
        log.detach();
    });
    detached.unwrap();
    assert_eq!(Instant::now() - begin, SOON / 5, "at once");
    assert_eq!(until_it_waits(&mut writer, FAR).await, FAR + (end - FAR % end) % CHUNK as u64);
    // It reads on as any other, to the end.
    drop(writer);
    let mut seen = 0;
    while let Some(LogEvent::Chunk { data, .. }) = reader.next().await.unwrap() {
        seen += data.len() as u64;
    }
    assert_eq!(seen, log.summary().end_offset);

    let (_directory, mut writer, log) = self::log();
    drop(log.pin(0));
    assert_eq!(until_it_waits(&mut writer, FAR).await, FAR);
    log.expect_until(Instant::now() + 100 * SOON);
    log.detach();
    assert_eq!(until_it_waits(&mut writer, 2 * FAR).await, 2 * FAR);
}

/// A wait that is given up leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn a_wait_can_be_given_up() {
    let (_directory, mut writer, log) = log();
    let mut reader = log.pin(0);
    let end = until_it_waits(&mut writer, FAR).await;
    for _ in 0..10 {
        assert!(timeout(SOON, append(&mut writer, 1)).await.is_err());
    }
    assert_eq!(log.summary().end_offset, end);
    next(&mut reader).await;
    append(&mut writer, 1).await;
    assert_eq!(log.summary().end_offset, end + 1);
}

//! What a log keeps, what it drops, and what its readers see.

use super::{LogEvent, LogQuota, LogReader, LogWriter};
use crate::stream::Stream;

const SMALL: LogQuota = LogQuota { head_bytes: 400, tail_segment_bytes: 200 };

async fn text(mut reader: LogReader) -> (String, u64) {
    let (mut text, mut dropped) = (String::new(), 0);
    while let Some(event) = reader.next_stored().await.unwrap() {
        match event {
            LogEvent::Chunk { data, .. } => text.push_str(std::str::from_utf8(&data).unwrap()),
            LogEvent::Gap { dropped_bytes, .. } => dropped += dropped_bytes,
        }
    }
    (text, dropped)
}

#[tokio::test]
async fn both_streams_come_back_in_order_from_any_offset() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), LogQuota::default());
    writer.append(Stream::Stdout, b"one ").await.unwrap();
    writer.append(Stream::Stderr, b"two ").await.unwrap();
    writer.append(Stream::Stdout, b"three").await.unwrap();
    let whole = "one two three";
    for offset in 0..=whole.len() {
        assert_eq!(text(log.read_from(offset as u64)).await, (whole[offset..].to_owned(), 0));
    }
    assert_eq!(text(log.read_from(99)).await, (String::new(), 0));
    let mut reader = log.read_from(4);
    let Some(LogEvent::Chunk { offset: 4, stream: Stream::Stderr, .. }) =
        reader.next_stored().await.unwrap()
    else {
        panic!("the second record is on stderr")
    };
}

#[tokio::test]
async fn the_middle_is_dropped_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), SMALL);
    let mut whole = String::new();
    for number in 0..1000 {
        let line = format!("line {number}\n");
        writer.append(Stream::Stdout, line.as_bytes()).await.unwrap();
        whole.push_str(&line);
    }
    let (kept, dropped) = text(log.read_from(0)).await;
    let summary = log.summary();
    assert_eq!(summary.end_offset, whole.len() as u64);
    assert_eq!(summary.dropped_bytes, dropped);
    assert_eq!(kept.len() as u64 + dropped, whole.len() as u64);
    assert!(kept.starts_with("line 0\n") && kept.ends_with("line 999\n"));
    let on_disk: u64 = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(on_disk <= SMALL.head_bytes + 2 * SMALL.tail_segment_bytes);
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
    let mut whole = Vec::new();
    for number in 0..200_u32 {
        let chunk = number.to_le_bytes().repeat(50);
        writer.append(Stream::Stdout, &chunk).await.unwrap();
        whole.extend_from_slice(&chunk);
        tokio::task::yield_now().await;
    }
    drop(writer);
    assert_eq!(follower.await.unwrap(), whole);
}

#[tokio::test]
async fn a_slow_follower_is_told_of_what_it_missed() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), SMALL);
    let mut reader = log.read_from(0);
    writer.append(Stream::Stdout, b"first").await.unwrap();
    assert!(matches!(reader.next_followed().await.unwrap(), Some(LogEvent::Chunk { .. })));
    for _ in 0..100 {
        writer.append(Stream::Stdout, &[b'x'; 50]).await.unwrap();
    }
    drop(writer);
    let (mut seen, mut dropped) = (5, 0);
    while let Some(event) = reader.next_followed().await.unwrap() {
        match event {
            LogEvent::Chunk { data, .. } => seen += data.len() as u64,
            LogEvent::Gap { dropped_bytes, .. } => dropped += dropped_bytes,
        }
    }
    assert!(dropped > 0);
    assert_eq!(seen + dropped, 5 + 100 * 50);
}

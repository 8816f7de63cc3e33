//! Logs of jobs that have ended.

use super::*;
use crate::log::{record, segment};

#[tokio::test]
async fn a_sealed_log_is_closed_for_writers_and_known_to_readers() {
    for count in [0, 1, 5, 300] {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, log) = LogWriter::create(directory.path().into(), SMALL);
        for _ in 0..count {
            append(&mut writer, 13).await;
        }
        writer.seal().await.unwrap();
        writer.seal().await.unwrap();
        let error = writer.append(Stream::Stdout, b"late").await.unwrap_err();
        assert_eq!(error.offset, count * 13);
        let expected = whole(&log).await;
        assert_eq!(log.read_from(count * 13).next_followed().await.unwrap(), None);
        let closed = Log::closed(directory.path().into()).await.unwrap();
        assert_eq!(whole(&closed).await, expected);
        assert_eq!(closed.read_from(count * 13).next_followed().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_job_without_a_word_has_an_empty_log() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().to_owned(), directory.path().join("none")] {
        let closed = Log::closed(path).await.unwrap();
        assert_eq!(whole(&closed).await, Stored::default());
    }
}

/// Other files live beside it.
#[tokio::test]
async fn what_is_not_of_the_log_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["log", "log.", "log.x", "log.01", "log.-1", "outputs"] {
        fs::write(directory.path().join(name), "x").unwrap();
    }
    let (mut writer, log) = reopened(directory.path(), SMALL).await;
    append(&mut writer, 9).await;
    assert_eq!(whole(&log).await.end, 9);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 7);
}

/// A job that writes what the end of a sealed log looks like ends nothing.
#[tokio::test]
async fn a_forged_end_is_output() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, _) = LogWriter::create(directory.path().into(), SMALL);
    for salt in [0, 1, u32::MAX] {
        let place = record::Place { salt, offset: 3 };
        writer.append(Stream::Stdout, &record::end(place)).await.unwrap();
        let closed = Log::closed(directory.path().into()).await.unwrap();
        assert_eq!(closed.summary().end_offset, writer.end_offset());
    }
}

/// A byte that changed on the disk later is an error, not output.
#[tokio::test]
async fn a_changed_byte_is_found_by_its_reader() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, _) = LogWriter::create(directory.path().into(), LogQuota::default());
    for _ in 0..4 {
        append(&mut writer, 50).await;
    }
    writer.seal().await.unwrap();
    let path = segment::path(directory.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[150] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let closed = Log::closed(directory.path().into()).await.unwrap();
    let mut reader = closed.read_from(0);
    assert!(reader.next_stored().await.unwrap().is_some());
    let error = reader.next_stored().await.unwrap_err();
    assert!(error.to_string().contains("not as it was written"), "{error}");
    // Removed while somebody reads: an end, and no endless search.
    fs::remove_file(&path).unwrap();
    assert!(closed.read_from(0).next_stored().await.is_err());
}

//! Disks that are full or broken, in the middle of any write.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;

use super::*;

/// What is to go wrong with the next write or sync.
#[derive(Clone, Debug, Default)]
pub(in crate::log) struct Faults(Arc<Mutex<Option<Fault>>>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// How many writes and syncs go well before.
    pub(super) after: usize,
    /// How much of a write comes through.
    pub(super) written: usize,
    pub(super) errno: i32,
}

impl Faults {
    pub(super) fn arm(&self, fault: Fault) {
        *self.0.lock().unwrap() = Some(fault);
    }

    pub(in crate::log) fn strike(&self, write: Option<(&File, &[u8], u64)>) -> io::Result<()> {
        let mut armed = self.0.lock().unwrap();
        let written = match armed.as_mut() {
            None => return Ok(()),
            Some(Fault { after: after @ 1.., .. }) => {
                *after -= 1;
                return Ok(());
            }
            Some(Fault { written, .. }) => *written,
        };
        let Some(Fault { errno, .. }) = armed.take() else { return Ok(()) };
        if let Some((file, bytes, position)) = write {
            file.write_all_at(&bytes[..written.min(bytes.len() - 1)], position)?;
        }
        Err(io::Error::from_raw_os_error(errno))
    }
}

/// Fails one append of a log in the middle, twice over, and looks at it with and without a restart.
async fn check(quota: LogQuota, lengths: &[usize], at: usize, fault: Fault) {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), quota);
    for (index, length) in lengths.iter().enumerate() {
        if index == at {
            let before = whole(&log).await;
            log.shared.faults.arm(fault);
            let data = vec![0; *length];
            let error = writer.append(Stream::Stdout, &data).await.unwrap_err();
            assert_eq!(
                (error.offset, error.source.raw_os_error()),
                (before.end, Some(fault.errno))
            );
            assert_eq!(whole(&log).await, before);
            // As a kill right then would find it.
            let copy = tempfile::tempdir().unwrap();
            for entry in fs::read_dir(directory.path()).unwrap() {
                let path = entry.unwrap().path();
                fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
            }
            assert_eq!(whole(&reopened(copy.path(), quota).await.1).await, before);
        }
        append(&mut writer, *length).await;
    }
    let kept = whole(&log).await;
    assert_eq!(kept.end, lengths.iter().sum::<usize>() as u64);
    drop(writer);
    assert_eq!(whole(&reopened(directory.path(), quota).await.1).await, kept);
}

#[test]
fn a_write_that_fails_leaves_the_log_as_it_was() {
    let cases = (
        (60..600_u64, 60..600_u64),
        proptest::collection::vec(1..90_usize, 1..40),
        any::<prop::sample::Index>(),
        (0..200_usize, prop::sample::select(vec![libc::ENOSPC, libc::EIO, libc::EDQUOT])),
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(120));
    runner
        .run(&cases, |((head_bytes, tail_segment_bytes), lengths, at, (written, errno))| {
            let quota = LogQuota { head_bytes, tail_segment_bytes };
            let at = at.index(lengths.len());
            runtime.block_on(check(quota, &lengths, at, Fault { after: 0, written, errno }));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_seal_that_fails_can_be_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), SMALL);
    append(&mut writer, 10).await;
    // The record at the end is a courtesy: without room for it the log is sealed all the same.
    log.shared.faults.arm(Fault { after: 0, written: 9, errno: libc::ENOSPC });
    writer.seal().await.unwrap();
    let closed = Log::closed(directory.path().into()).await.unwrap();
    assert_eq!(whole(&closed).await.end, 10);
    let (mut writer, log) = reopened(directory.path(), SMALL).await;
    let mut follower = log.read_from(10);
    log.shared.faults.arm(Fault { after: 1, written: 0, errno: libc::EIO });
    let error = writer.seal().await.unwrap_err();
    assert_eq!((error.offset, error.source.raw_os_error()), (10, Some(libc::EIO)));
    append(&mut writer, 3).await;
    writer.seal().await.unwrap();
    assert!(matches!(follower.next_followed().await.unwrap(), Some(LogEvent::Chunk { .. })));
    assert_eq!(follower.next_followed().await.unwrap(), None);
}

//! A writer that is killed in the middle of its work, for real.

use std::{env, process::Stdio, time::Duration};

use tokio::{process::Command, time::sleep};

use super::*;

const DIRECTORY: &str = "KILN_TEST_LOG";
const QUOTA: LogQuota = LogQuota { head_bytes: 300_000, tail_segment_bytes: 200_000 };

/// The child: goes on with the log for as long as it lives.
#[tokio::test]
async fn goes_on_until_it_is_killed() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let (mut writer, _) = LogWriter::open(directory.into(), QUOTA).await.unwrap();
    loop {
        let end = writer.end_offset();
        // From a byte to a page and a half, so that kills meet every kind of write.
        append(&mut writer, 1 + usize::from(byte_at(end)) * 23).await;
    }
}

#[tokio::test]
async fn what_a_killed_writer_leaves_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut last = Stored::default();
    let mut dropped = 0;
    for round in 0..20_u64 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "log::tests::killed::goes_on_until_it_is_killed", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // Not before it has begun.
        let begun = on_disk(directory.path());
        while on_disk(directory.path()) == begun {
            sleep(Duration::from_millis(1)).await;
            assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        }
        sleep(Duration::from_millis(round * 3)).await;
        child.kill().await.unwrap();
        let closed = Log::closed(directory.path().into()).await.unwrap();
        let survived = whole(&closed).await;
        let (writer, log) = reopened(directory.path(), QUOTA).await;
        assert_eq!(whole(&log).await, survived);
        assert!(survived.end > last.end, "{} after {}", survived.end, last.end);
        assert!(on_disk(directory.path()) <= QUOTA.head_bytes + 2 * QUOTA.tail_segment_bytes);
        drop(writer);
        dropped = survived.dropped;
        last = survived;
    }
    assert!(dropped > 0, "the quota was met");
}

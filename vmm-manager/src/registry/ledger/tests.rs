//! What is told is kept, whatever becomes of kilnd and of its disk.

use std::{
    fs,
    os::unix::fs::symlink,
    time::{Instant, UNIX_EPOCH},
};

use kiln_registry::{
    digest::Digest,
    record::{Kind, Origin},
};
use tempfile::TempDir;

use super::*;

fn material(repository: &str) -> Material {
    Material {
        kind: Kind::Blob,
        registry: Some("registry.example:5443".parse().unwrap()),
        repository: repository.to_owned(),
        tag: None,
        digest: Digest::of(b"b"),
        media_type: String::new(),
        bytes: 1,
        origin: Origin::Confirmed,
        at: UNIX_EPOCH + Duration::from_secs(9),
    }
}

fn refusal(target: &str) -> Refusal {
    Refusal {
        registry: None,
        repository: "a\nb".to_owned(),
        target: target.to_owned(),
        code: "DENIED".to_owned(),
        reason: "no \"such\" thing".to_owned(),
        upstream_status: Some(403),
        retry_after_seconds: Some(7),
        at: UNIX_EPOCH + Duration::from_secs(10),
    }
}

fn log(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("registry.log")
}

/// Once the file has as many lines.
async fn written(directory: &TempDir, lines: usize) -> String {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(log(directory)).unwrap_or_default();
        if text.lines().count() >= lines {
            return text;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{text}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn counts(record: &RegistryRecord) -> (Vec<u64>, Vec<u64>) {
    let materials = record.materials.iter().map(|one| one.times).collect();
    (materials, record.refusals.iter().map(|one| one.times).collect())
}

#[tokio::test]
async fn the_next_daemon_goes_on_where_this_one_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = JobLedger::begin(directory.path());
    ledger.told().served(material("a"));
    // All of it: one material, and that nothing is over.
    written(&directory, 2).await;
    ledger.told().served(material("a"));
    ledger.told().served(material("b"));
    ledger.told().refused(refusal("12"));
    written(&directory, 5).await;
    assert_eq!(counts(&ledger.record()), (vec![2, 1], vec![1]));
    assert_eq!(ledger.record().incomplete, None);
    let before = ledger.record();
    // Killed in mid-line.
    let mut text = fs::read(log(&directory)).unwrap();
    text.extend_from_slice(b"{\"served\":{\"mat");
    drop(ledger);
    fs::write(log(&directory), text).unwrap();
    let again = JobLedger::again(directory.path()).await;
    let record = again.record();
    assert!(record.incomplete.as_deref().unwrap().contains("restarted"));
    assert_eq!((&record.materials, &record.refusals), (&before.materials, &before.refusals));
    again.told().served(material("a"));
    // Whole lines again.
    written(&directory, 4).await;
    again.write_down();
    let left = left_behind(directory.path()).unwrap();
    assert_eq!(left, again.record());
    assert_eq!(counts(&left), (vec![3, 1], vec![1]));
}

#[tokio::test]
async fn nothing_served_leaves_nothing_and_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = JobLedger::begin(directory.path());
    ledger.write_down();
    assert!(!log(&directory).exists());
    assert_eq!(ledger.record(), RegistryRecord::default());
    assert_eq!(left_behind(directory.path()), None);
}

#[tokio::test]
async fn a_disk_that_fails_loses_nothing_once_it_works_again() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = JobLedger::begin(directory.path());
    // Nothing can be made under this name.
    fs::create_dir(log(&directory).with_extension("partial")).unwrap();
    ledger.told().served(material("a"));
    ledger.write_down();
    assert!(!log(&directory).exists());
    fs::remove_dir(log(&directory).with_extension("partial")).unwrap();
    ledger.told().served(material("b"));
    ledger.write_down();
    written(&directory, 3).await;
    assert_eq!(counts(&left_behind(directory.path()).unwrap()), (vec![1, 1], vec![]));
}

#[tokio::test]
async fn a_guest_that_asks_for_ever_fills_no_disk() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = JobLedger::begin(directory.path());
    let told = ledger.told();
    let mut most = 0;
    for number in 0..40 {
        for repository in 0..400 {
            told.served(material(&format!("{}/{repository}", "a".repeat(400))));
            told.refused(refusal(&format!("{number}-{repository}")));
        }
        ledger.write_down();
        most = most.max(fs::metadata(log(&directory)).unwrap().len());
    }
    assert!(most > 4 << 20, "it was never written anew: {most}");
    assert!(most < 8 << 20, "{most}");
    let (materials, refusals) = counts(&left_behind(directory.path()).unwrap());
    assert_eq!((materials.len(), refusals.len()), (400, super::super::record::MAX_REFUSALS));
    assert!(materials.iter().all(|times| *times == 40));
    assert_eq!(ledger.record().more_refusals, 40 * 400 - 200);
    let mut left = left_behind(directory.path()).unwrap();
    left.incomplete = None;
    assert_eq!(left, ledger.record());
}

#[test]
fn what_is_not_the_file_that_was_made_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let other = directory.path().join("other");
    fs::write(&other, "").unwrap();
    symlink(&other, log(&directory)).unwrap();
    let told = left_behind(directory.path()).unwrap().incomplete.unwrap();
    assert!(told.contains("could not be read"), "{told}");
    fs::remove_file(log(&directory)).unwrap();
    fs::write(log(&directory), "{\"more\":1}\n").unwrap();
    let told = left_behind(directory.path()).unwrap().incomplete.unwrap();
    assert!(told.contains("could not be read"), "{told}");
}

//! Uploads that are cut off, refused and starved, at each step.

mod resumed;

use std::{
    fs, mem,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::{
    Source, Sources, UploadError,
    budget::BLOCK_BYTES,
    making::{Making, Sealing},
    partial::Partial,
};
use crate::{
    digest::Hasher,
    job::{Owner, SourceId},
    small_disk::SmallDisk,
};

const BUDGET: u64 = 1 << 20;
const HOUR: Duration = Duration::from_secs(3600);

fn owner(tenant: &str) -> Owner {
    Owner { tenant: tenant.to_owned(), project: "default".to_owned() }
}

fn bytes(length: usize) -> Bytes {
    (0..=250).cycle().take(length).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn upload(sources: &Sources, content: &Bytes) -> Result<Source, UploadError> {
    let mut upload = sources.begin(owner("a"), None).await?;
    for part in content.chunks(5000) {
        upload.write(Bytes::copy_from_slice(part)).await?;
    }
    upload.finish().await
}

fn check_whole(source: &Source, content: &[u8]) {
    let mut hasher = Hasher::default();
    hasher.update(content);
    assert_eq!((source.size_bytes, &source.digest), (content.len() as u64, &hasher.finish()));
    let disk = fs::read(&source.disk).unwrap();
    assert_eq!(disk.len() as u64 % BLOCK_BYTES, 0);
    assert!(!disk.is_empty(), "a disk has one block at least");
    assert_eq!(&disk[..content.len()], content);
    assert!(disk[content.len()..].iter().all(|byte| *byte == 0));
}

#[tokio::test]
async fn a_source_is_its_bytes_in_whole_blocks_and_outlives_the_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET).unwrap();
    let mut uploaded = Vec::new();
    for length in [0, 1, 4095, 4096, 4097, 100_000] {
        let content = bytes(length);
        let source = upload(&sources, &content).await.unwrap();
        check_whole(&source, &content);
        uploaded.push((source, content));
    }
    let used = sources.used_bytes();
    drop(sources);
    let sources = Sources::open(directory.path(), BUDGET).unwrap();
    assert_eq!(sources.used_bytes(), used);
    for (source, content) in uploaded {
        assert_eq!(sources.get("a", &source.id).as_ref(), Some(&source));
        assert_eq!(sources.get("b", &source.id), None, "another tenant's source is none");
        assert!(sources.hold("b", &source.id).is_none());
        check_whole(&source, &content);
    }
}

/// Cut off after each step, by the drop of the upload and by the daemon's death.
#[tokio::test]
async fn an_upload_that_is_torn_leaves_a_source_or_nothing() {
    let content = bytes(10_000);
    for killed in [false, true] {
        for steps in 0..=Sealing::STEPS.len() {
            let directory = tempfile::tempdir().unwrap();
            let sources = Sources::open(directory.path(), BUDGET).unwrap();
            let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
            let shared = Arc::clone(&sources.shared);
            let mut making = Making::begin(shared, owner("a"), None, place).unwrap();
            making.write(&content).unwrap();
            let mut sealing = making.seal().unwrap();
            for step in &Sealing::STEPS[..steps] {
                step(&mut sealing).unwrap();
            }
            // A name that may not last yet is a whole source after a kill and taken back after an
            // error.
            let named = Sealing::STEPS.len() - usize::from(killed);
            if killed {
                mem::forget(sealing);
            } else {
                drop(sealing);
                assert_eq!(sources.used_bytes(), 0);
            }
            drop(sources);
            let sources = Sources::open(directory.path(), BUDGET).unwrap();
            let left = names(directory.path());
            if steps < named {
                assert_eq!(left, Vec::<String>::new(), "{steps} steps, killed: {killed}");
                assert_eq!(sources.used_bytes(), 0);
            } else {
                let id: SourceId = left[0].parse().unwrap();
                check_whole(&sources.get("a", &id).unwrap(), &content);
            }
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_dropped_at_any_byte_gives_all_back() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET).unwrap();
    for parts in 0..4 {
        let mut upload = sources.begin(owner("a"), Some(1 << 18)).await.unwrap();
        for _ in 0..parts {
            upload.write(bytes(5000)).await.unwrap();
        }
        assert!(sources.used_bytes() >= 1 << 18, "what was announced is reserved");
        drop(upload);
        until(|| sources.used_bytes() == 0 && names(directory.path()).is_empty()).await;
    }
}

#[test]
fn an_upload_that_was_given_up_in_a_write_can_only_be_dropped() {
    let directory = tempfile::tempdir().unwrap();
    // One thread for files, which is busy: the write does not end before it is given up.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let sources = Sources::open(directory.path(), BUDGET).unwrap();
        let (busy, until_then) = std::sync::mpsc::channel::<()>();
        let busy_thread = async { Some(tokio::task::spawn_blocking(move || until_then.recv())) };
        // Behind the beginning, and before the upload's own thread.
        let (upload, blocked) = tokio::join!(sources.begin(owner("a"), None), busy_thread);
        let mut upload = upload.unwrap();
        let mut given_up = false;
        for _ in 0..100 {
            let write = upload.write(bytes(1 << 12));
            given_up |= tokio::time::timeout(Duration::from_millis(1), write).await.is_err();
            if given_up {
                break;
            }
        }
        assert!(given_up, "no more parts wait than a few");
        drop(busy);
        assert!(blocked.unwrap().await.unwrap().is_err());
        assert!(matches!(upload.write(bytes(1)).await, Err(UploadError::Broken)));
        assert!(matches!(upload.finish().await, Err(UploadError::Broken)));
        until(|| sources.used_bytes() == 0 && names(directory.path()).is_empty()).await;
    });
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let limit = tokio::time::Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(tokio::time::Instant::now() < limit);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn what_is_above_its_announcement_or_the_budget_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET).unwrap();
    let refused = sources.begin(owner("a"), Some(BUDGET)).await.unwrap_err();
    assert!(matches!(refused, UploadError::OverBudget { size_bytes: BUDGET, free_bytes: BUDGET }));
    let refused = sources.begin(owner("a"), Some(u64::MAX)).await.unwrap_err();
    assert!(matches!(refused, UploadError::OverBudget { .. }));

    let mut longer = sources.begin(owner("a"), Some(10)).await.unwrap();
    longer.write(bytes(10)).await.unwrap();
    // Said by the part itself, or by the end.
    let refused = match longer.write(bytes(1)).await {
        Ok(()) => longer.finish().await.unwrap_err(),
        Err(refused) => refused,
    };
    assert!(matches!(refused, UploadError::Longer { announced: 10 }));

    let mut shorter = sources.begin(owner("a"), Some(10)).await.unwrap();
    shorter.write(bytes(9)).await.unwrap();
    let refused = shorter.finish().await.unwrap_err();
    assert!(matches!(refused, UploadError::Shorter { announced: 10, arrived: 9 }));

    let whole = upload(&sources, &bytes(500_000)).await.unwrap();
    let refused = upload(&sources, &bytes(600_000)).await.unwrap_err();
    assert!(matches!(refused, UploadError::OverBudget { .. }), "{refused}");
    until(|| names(directory.path()) == [whole.id.as_str()]).await;
    assert!(upload(&sources, &bytes(500_000)).await.is_ok());
}

#[tokio::test]
async fn so_many_uploads_at_once_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET).unwrap();
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(sources.begin(owner("a"), None).await.unwrap());
    }
    let refused = sources.begin(owner("a"), None).await.unwrap_err();
    assert!(matches!(refused, UploadError::Busy { most: 64 }));
    assert!(open.pop().unwrap().finish().await.is_ok());
    assert!(sources.begin(owner("a"), None).await.is_ok());
}

/// A disk that is full at each byte and each inode on the way.
#[tokio::test]
async fn a_full_disk_is_said_leaves_nothing_and_heals() {
    let content = bytes(5 * 4096 + 1);
    let mut refusals = 0;
    for (pages, inodes) in (1..10).map(|pages| (pages, 100)).chain((1..6).map(|it| (100, it))) {
        let disk = SmallDisk::new(pages * 4096, inodes);
        let directory = disk.path();
        // What fills it may go later.
        let sources = Sources::open(&directory, BUDGET).unwrap();
        match upload(&sources, &content).await {
            Ok(source) => check_whole(&source, &content),
            Err(error) => {
                refusals += 1;
                assert!(matches!(error, UploadError::DiskFull), "{pages} {inodes}: {error}");
                until(|| sources.used_bytes() == 0).await;
                assert_eq!(names(&directory), Vec::<String>::new());
                assert!(Sources::open(&directory, BUDGET).is_ok());
            }
        }
    }
    assert!(refusals >= 8, "{refusals}");
    let disk = SmallDisk::new(8 * 4096, 100);
    let sources = Sources::open(&disk.path(), BUDGET).unwrap();
    let announced = sources.begin(owner("a"), Some(9 * 4096)).await.unwrap_err();
    assert!(matches!(announced, UploadError::DiskFull), "refused before a byte of it came");
    fs::write(disk.path().join("neighbour"), bytes(5 * 4096)).unwrap();
    assert!(matches!(upload(&sources, &content).await, Err(UploadError::DiskFull)));
    fs::remove_file(disk.path().join("neighbour")).unwrap();
    check_whole(&upload(&sources, &content).await.unwrap(), &content);
}

#[tokio::test]
async fn what_is_held_is_never_forgotten_and_what_is_unused_is() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET).unwrap();
    let held = upload(&sources, &bytes(10)).await.unwrap();
    let unused = upload(&sources, &bytes(11)).await.unwrap();
    let now = SystemTime::now();
    let (first, second) =
        (sources.hold("a", &held.id).unwrap(), sources.hold("a", &held.id).unwrap());
    assert_eq!(sources.forget_unused(now, HOUR), [], "an hour is not over");
    assert_eq!(sources.forget_unused(now - HOUR, HOUR), [], "the clock was set back");
    assert_eq!(sources.forget_unused(now + 2 * HOUR, HOUR), std::slice::from_ref(&unused.id));
    assert!(sources.hold("a", &unused.id).is_none());
    drop(first);
    assert_eq!(sources.forget_unused(now + 2 * HOUR, HOUR), [], "one hold is left");
    drop(second);
    assert_eq!(sources.forget_unused(SystemTime::now() + HOUR / 2, HOUR), [], "just let go of");
    assert_eq!(sources.forget_unused(now + 2 * HOUR, HOUR), std::slice::from_ref(&held.id));
    assert_eq!((sources.used_bytes(), names(directory.path())), (0, Vec::new()));
    drop(sources);
    let sources = Sources::open(directory.path(), BUDGET).unwrap();
    assert!(sources.get("a", &held.id).is_none());
}

#[test]
fn a_source_that_is_half_removed_or_damaged_is_no_source() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let damages: [fn(&Path); 6] = [
        |source| fs::remove_file(source.join("disk.raw")).unwrap(),
        |source| fs::remove_file(source.join("record.json")).unwrap(),
        |source| fs::write(source.join("record.json"), "{").unwrap(),
        |source| fs::write(source.join("record.json"), vec![b' '; 1 << 20]).unwrap(),
        |source| fs::write(source.join("disk.raw"), "short").unwrap(),
        |source| {
            let id = source.file_name().unwrap().to_str().unwrap().parse().unwrap();
            mem::forget(Partial::of_source(source.parent().unwrap(), &id).unwrap());
        },
    ];
    fs::write(directory.path().join("foreign"), "left alone").unwrap();
    for damage in damages {
        let sources = Sources::open(directory.path(), BUDGET).unwrap();
        let source = runtime.block_on(upload(&sources, &bytes(10))).unwrap();
        drop(sources);
        damage(source.disk.parent().unwrap());
        let sources = Sources::open(directory.path(), BUDGET).unwrap();
        assert!(sources.get("a", &source.id).is_none());
        assert_eq!(sources.used_bytes(), 0);
        assert_eq!(names(directory.path()), ["foreign"]);
    }
}

//! Uploads that are gone on with, equal bytes that are stored once, and what is told to whom.

use super::*;
use crate::source::{Found, Known, remnant::Remnant};

const LENGTH: usize = 400_000;
const PART: usize = 10_000;

fn known(content: &[u8]) -> Known {
    let mut hasher = Hasher::default();
    hasher.update(content);
    Known { digest: hasher.finish(), size_bytes: content.len() as u64 }
}

/// So much of it arrives, from an offset, and then the client goes.
async fn cut_off(sources: &Sources, tenant: &str, content: &[u8], offset: usize, until: usize) {
    let begun = sources.begin_known(owner(tenant), known(content), offset as u64).await;
    let mut upload = begun.unwrap();
    for part in content[offset..until].chunks(PART) {
        upload.write(Bytes::copy_from_slice(part)).await.unwrap();
    }
    drop(upload);
}

async fn goes_on(sources: &Sources, content: &[u8], offset: usize) -> Result<Source, UploadError> {
    let mut upload = sources.begin_known(owner("a"), known(content), offset as u64).await?;
    for part in content[offset..].chunks(PART) {
        upload.write(Bytes::copy_from_slice(part)).await?;
    }
    upload.finish().await
}

fn part(sources: &Sources, tenant: &str, content: &[u8]) -> u64 {
    match sources.find(tenant, &known(content)) {
        Found::Part(bytes) => bytes,
        Found::Source(source) => panic!("{source:?}"),
    }
}

/// Cut off twice, and in between the daemon is killed.
#[tokio::test]
async fn what_is_cut_off_goes_on_where_it_was_or_before() {
    let content = bytes(LENGTH);
    for (first, back, second) in [(200_000, 200_000, 300_000), (390_000, 1, 150_000)] {
        for killed in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let mut sources = Sources::open(directory.path(), BUDGET * 4).unwrap();
            cut_off(&sources, "a", &content, 0, first).await;
            until(|| part(&sources, "a", &content) == first as u64).await;
            if killed {
                drop(sources);
                sources = Sources::open(directory.path(), BUDGET * 4).unwrap();
                assert_eq!(part(&sources, "a", &content), first as u64);
            }
            assert!((first as u64..first as u64 + 20_000).contains(&sources.used_bytes()));
            cut_off(&sources, "a", &content, back, second).await;
            until(|| part(&sources, "a", &content) == second as u64).await;
            let source = goes_on(&sources, &content, second).await.unwrap();
            check_whole(&source, &content);
            assert_eq!(sources.find("a", &known(&content)), Found::Source(source.clone()));
            assert_eq!(names(directory.path()), [source.id.as_str()]);
            let files = names(source.disk.parent().unwrap());
            assert!(files.len() == 2 && files.contains(&"record.json".to_owned()), "{files:?}");
        }
    }
}

/// Killed between any two of the last steps: the whole is there, or all that is needed for it.
#[tokio::test]
async fn an_upload_that_is_torn_at_its_end_goes_on() {
    let content = bytes(LENGTH);
    for steps in 0..=Sealing::STEPS.len() {
        let directory = tempfile::tempdir().unwrap();
        let sources = Sources::open(directory.path(), BUDGET * 4).unwrap();
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let shared = Arc::clone(&sources.shared);
        let mut making = Making::begin_known(shared, owner("a"), known(&content), place).unwrap();
        making.write(&content).unwrap();
        let mut sealing = making.seal().unwrap();
        for step in &Sealing::STEPS[..steps] {
            step(&mut sealing).unwrap();
        }
        mem::forget(sealing);
        drop(sources);
        let sources = Sources::open(directory.path(), BUDGET * 4).unwrap();
        let source = match sources.find("a", &known(&content)) {
            Found::Source(source) => source,
            // Its state is gone, and its name not there yet: it begins anew.
            Found::Part(0) => goes_on(&sources, &content, 0).await.unwrap(),
            Found::Part(bytes) => {
                assert_eq!(bytes, LENGTH as u64, "{steps} steps");
                goes_on(&sources, &content, LENGTH).await.unwrap()
            }
        };
        check_whole(&source, &content);
        assert_eq!(names(directory.path()), [source.id.as_str()], "{steps} steps");
        assert_eq!(sources.used_bytes(), super::super::budget::footprint(LENGTH as u64));
    }
}

/// What lies on the disk is hashed again: whatever became of it, the whole is right or refused.
#[tokio::test]
async fn what_was_altered_meanwhile_is_no_source() {
    let content = bytes(LENGTH);
    let damages: [fn(&Path); 5] = [
        |partial| {
            let mut disk = fs::read(partial.join("disk.raw")).unwrap();
            disk[100_000] ^= 1;
            fs::write(partial.join("disk.raw"), disk).unwrap();
        },
        |partial| fs::remove_file(partial.join("disk.raw")).unwrap(),
        |partial| fs::write(partial.join("partial.json"), "{").unwrap(),
        |partial| fs::write(partial.join("partial.json"), vec![b' '; 1 << 20]).unwrap(),
        |partial| fs::write(partial.join("disk.raw"), "short").unwrap(),
    ];
    for (index, damage) in damages.into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let sources = Sources::open(directory.path(), BUDGET * 4).unwrap();
        cut_off(&sources, "a", &content, 0, 200_000).await;
        until(|| part(&sources, "a", &content) == 200_000).await;
        drop(sources);
        damage(&directory.path().join(&names(directory.path())[0]));
        let sources = Sources::open(directory.path(), BUDGET * 4).unwrap();
        if index == 0 {
            let refused = goes_on(&sources, &content, 200_000).await.unwrap_err();
            assert!(matches!(refused, UploadError::Other { .. }), "{refused}");
        }
        assert_eq!(part(&sources, "a", &content), 0, "{index}");
        assert_eq!((names(directory.path()), sources.used_bytes()), (Vec::new(), 0));
        check_whole(&goes_on(&sources, &content, 0).await.unwrap(), &content);
    }
    // Under a daemon that has it open.
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET * 4).unwrap();
    cut_off(&sources, "a", &content, 0, 200_000).await;
    until(|| part(&sources, "a", &content) == 200_000).await;
    let disk = directory.path().join(&names(directory.path())[0]).join("disk.raw");
    fs::OpenOptions::new().write(true).open(disk).unwrap().set_len(5).unwrap();
    let refused = goes_on(&sources, &content, 200_000).await.unwrap_err();
    assert!(matches!(refused, UploadError::Other { .. }), "{refused}");
    assert_eq!((names(directory.path()), sources.used_bytes()), (Vec::new(), 0));
}

#[tokio::test]
async fn nobody_is_told_of_what_another_tenant_has() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET * 4).unwrap();
    let (whole, cut) = (bytes(LENGTH), bytes(LENGTH + 1));
    let mine = goes_on(&sources, &whole, 0).await.unwrap();
    cut_off(&sources, "a", &cut, 0, 200_000).await;
    until(|| part(&sources, "a", &cut) == 200_000).await;
    assert_eq!((part(&sources, "b", &whole), part(&sources, "b", &cut)), (0, 0));
    let refused = sources.begin_known(owner("b"), known(&cut), 1).await.unwrap_err();
    assert!(matches!(refused, UploadError::NotThere { offset: 1, kept: 0 }), "{refused}");
    // With the bytes it gets a source, of its own.
    let mut upload = sources.begin_known(owner("b"), known(&whole), 0).await.unwrap();
    upload.write(whole.clone()).await.unwrap();
    let theirs = upload.finish().await.unwrap();
    assert_ne!(theirs.id, mine.id);
    assert_eq!(sources.find("b", &known(&whole)), Found::Source(theirs));
    assert_eq!(sources.find("a", &known(&whole)), Found::Source(mine));
}

#[tokio::test]
async fn equal_bytes_of_one_tenant_are_one_source() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET * 8).unwrap();
    let content = bytes(LENGTH);
    // At once, so that none finds another when it begins.
    let mut uploads = Vec::new();
    for _ in 0..4 {
        let mut upload = sources.begin_known(owner("a"), known(&content), 0).await.unwrap();
        upload.write(content.clone()).await.unwrap();
        uploads.push(tokio::spawn(upload.finish()));
    }
    let mut ids = Vec::new();
    for upload in uploads {
        ids.push(upload.await.unwrap().unwrap().id);
    }
    ids.push(upload(&sources, &content).await.unwrap().id);
    ids.dedup();
    assert_eq!(ids.len(), 1, "one for all, also for what was not announced");
    assert_eq!(names(directory.path()), [ids[0].as_str()]);
    assert_eq!(sources.used_bytes(), super::super::budget::footprint(LENGTH as u64));
    let cousin = Known { size_bytes: 1, ..known(&content) };
    assert_eq!(sources.find("a", &cousin), Found::Part(0), "the length is a part of the name");
}

#[tokio::test]
async fn a_source_that_is_found_is_as_fresh_as_an_upload() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET).unwrap();
    let content = bytes(1000);
    let source = upload(&sources, &content).await.unwrap();
    let uploaded = SystemTime::now();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(sources.find("a", &known(&content)), Found::Source(source.clone()));
    let just_over = uploaded + HOUR + Duration::from_millis(5);
    assert_eq!(sources.forget_unused(just_over, HOUR), [], "it was found since then");
    assert_eq!(sources.forget_unused(just_over + HOUR, HOUR), [source.id]);
    assert_eq!(part(&sources, "a", &content), 0);
}

#[tokio::test]
async fn what_is_wrong_or_not_worth_it_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET * 4).unwrap();
    let content = bytes(LENGTH);
    let little = usize::try_from(Remnant::LEAST_BYTES).unwrap() - 1;
    cut_off(&sources, "a", &content, 0, little).await;
    until(|| names(directory.path()).is_empty()).await;

    let mut longer = sources.begin_known(owner("a"), known(&content), 0).await.unwrap();
    longer.write(content.clone()).await.unwrap();
    let mut refused = longer.write(bytes(1)).await;
    while refused.is_ok() {
        refused = longer.write(bytes(1)).await;
    }
    assert!(matches!(refused, Err(UploadError::Longer { .. })), "{refused:?}");
    drop(longer);

    let mut shorter = sources.begin_known(owner("a"), known(&content), 0).await.unwrap();
    shorter.write(content.slice(..300_000)).await.unwrap();
    assert!(matches!(shorter.finish().await, Err(UploadError::Shorter { .. })));
    assert_eq!(part(&sources, "a", &content), 300_000, "as if it had been cut off");
    let later = SystemTime::now() + HOUR + Duration::from_secs(1);
    assert_eq!(sources.forget_unused(later, HOUR), []);

    let mut other = sources.begin_known(owner("a"), known(&content), 0).await.unwrap();
    other.write(Bytes::from(vec![7; LENGTH])).await.unwrap();
    assert!(matches!(other.finish().await, Err(UploadError::Other { .. })));
    until(|| names(directory.path()).is_empty()).await;
    assert_eq!(sources.used_bytes(), 0);
}

#[tokio::test]
async fn what_is_left_is_bounded_in_number_bytes_and_age() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET * 16).unwrap();
    let contents: Vec<_> = (0..40).map(|more| bytes(LENGTH + more)).collect();
    for content in &contents[..9] {
        cut_off(&sources, "a", content, 0, 200_000).await;
        until(|| part(&sources, "a", content) == 200_000).await;
    }
    assert_eq!(part(&sources, "a", &contents[0]), 0, "the first of nine of one tenant");
    assert_eq!(part(&sources, "a", &contents[1]), 200_000);
    for (index, content) in contents.iter().enumerate() {
        cut_off(&sources, &format!("tenant-{index}"), content, 0, 200_000).await;
        until(|| part(&sources, &format!("tenant-{index}"), content) == 200_000).await;
        // A quarter of all, and so many: what gives way goes a moment after what came.
        until(|| sources.used_bytes() <= BUDGET * 4).await;
        until(|| names(directory.path()).len() <= 32).await;
    }
    let later = SystemTime::now() + HOUR + Duration::from_secs(1);
    assert_eq!(sources.forget_unused(later, HOUR), []);
    assert_eq!((names(directory.path()), sources.used_bytes()), (Vec::new(), 0));
}

#[tokio::test]
async fn who_leaves_much_takes_nobody_elses_place() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET * 4).unwrap();
    let contents: Vec<_> = (0..6).map(|more| bytes(LENGTH + more)).collect();
    cut_off(&sources, "b", &contents[0], 0, 150_000).await;
    until(|| part(&sources, "b", &contents[0]) == 150_000).await;
    // Five times 200,000 are a quarter of it, but for what another has there.
    for content in &contents[1..] {
        cut_off(&sources, "a", content, 0, 200_000).await;
        until(|| part(&sources, "a", content) == 200_000).await;
    }
    until(|| sources.used_bytes() <= BUDGET).await;
    assert_eq!(part(&sources, "a", &contents[1]), 0, "its own first one");
    assert_eq!(part(&sources, "b", &contents[0]), 150_000, "which was there before all of them");
}

#[tokio::test]
async fn who_may_come_back_gives_way_to_who_is_here() {
    let directory = tempfile::tempdir().unwrap();
    let sources = Sources::open(directory.path(), BUDGET).unwrap();
    let (cut, whole) = (bytes(LENGTH), bytes(900_000));
    for announced in [None, Some(whole.len() as u64)] {
        cut_off(&sources, "a", &cut, 0, 200_000).await;
        until(|| part(&sources, "a", &cut) == 200_000).await;
        let mut upload = sources.begin(owner("b"), announced).await.unwrap();
        for part in whole.chunks(PART) {
            upload.write(Bytes::copy_from_slice(part)).await.unwrap();
        }
        let source = upload.finish().await.unwrap();
        check_whole(&source, &whole);
        assert_eq!(part(&sources, "a", &cut), 0);
        let later = SystemTime::now() + HOUR + Duration::from_secs(1);
        assert_eq!(sources.forget_unused(later, HOUR), [source.id]);
    }
    cut_off(&sources, "a", &cut, 0, 200_000).await;
    until(|| part(&sources, "a", &cut) == 200_000).await;
    let held = upload(&sources, &bytes(700_000)).await.unwrap();
    let refused = goes_on(&sources, &cut, 200_000).await.unwrap_err();
    assert!(matches!(refused, UploadError::OverBudget { .. }), "{refused}");
    assert!(sources.get("a", &held.id).is_some());
}

/// A disk that is full while an upload goes on.
#[tokio::test]
async fn a_full_disk_under_a_second_part_is_said_and_leaves_nothing() {
    let content = bytes(LENGTH);
    for pages in [52, 60, 80, 97] {
        let disk = SmallDisk::new(pages * 4096, 100);
        let directory = disk.path();
        let sources = Sources::open(&directory, BUDGET * 4).unwrap();
        let begun = sources.begin_known(owner("a"), known(&content), 0).await;
        assert!(matches!(begun, Err(UploadError::DiskFull)), "refused before a byte of it came");
        let roomy = SmallDisk::new(120 * 4096, 100);
        let directory = roomy.path();
        let sources = Sources::open(&directory, BUDGET * 4).unwrap();
        cut_off(&sources, "a", &content, 0, 200_000).await;
        until(|| part(&sources, "a", &content) == 200_000).await;
        let neighbour = directory.join("neighbour");
        let used = usize::try_from(120 - pages).unwrap();
        fs::write(&neighbour, vec![1; used * 4096]).unwrap();
        let refused = goes_on(&sources, &content, 200_000).await.unwrap_err();
        assert!(matches!(refused, UploadError::DiskFull), "{pages}: {refused}");
        until(|| sources.used_bytes() == 0).await;
        assert_eq!(names(&directory), ["neighbour"]);
        fs::remove_file(neighbour).unwrap();
        check_whole(&goes_on(&sources, &content, 0).await.unwrap(), &content);
    }
}

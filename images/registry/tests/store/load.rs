//! Many at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use kiln_registry::{
    digest::Digest,
    name::{Tag, Target},
    repository::Repository,
    store::{Limits, Store, StoreError, UploadId},
};

use crate::given::{chunks, content, image, is_full, local, open, push, walk, whole};

const TAGS: u64 = 100;
const CLIENTS: u64 = 20;

/// What no tag reaches is kept so long.
const YOUNG: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
struct Seen {
    whole: AtomicUsize,
    gone: AtomicUsize,
    pushed: AtomicUsize,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_tags_go_while_twenty_clients_pull_and_push() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Limits::default()).unwrap();
    let ours = local("a", "app");
    // The same for all, and needed by each.
    let shared = push(&store, &ours, &content(1_000_000, 50_000)).await.unwrap();
    for number in 0..TAGS {
        put(&store, &ours, shared, number).await.unwrap();
    }
    let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (store, seen, stop) = (store.clone(), Arc::clone(&seen), Arc::clone(&stop));
        let ours = ours.clone();
        clients.spawn(async move {
            let mut turn = client;
            while !stop.load(Ordering::Relaxed) {
                if client % 4 == 0 {
                    // Content that others delete at this very moment.
                    push_again(&store, &ours, shared, turn % TAGS, client).await;
                    seen.pushed.fetch_add(1, Ordering::Relaxed);
                }
                pull(&store, &ours, turn % TAGS, &seen).await;
                turn += 7;
            }
        });
    }
    let collector = tokio::spawn({
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        async move {
            let mut collected = 0;
            while !stop.load(Ordering::Relaxed) {
                collected += store.collect_older(YOUNG).await.unwrap().blobs;
            }
            collected
        }
    });
    let begun = Instant::now();
    for number in 0..TAGS {
        store.delete_tag(&ours, &tag(number)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let least = Duration::from_secs(if is_full() { 60 } else { 5 });
    tokio::time::sleep(least.saturating_sub(begun.elapsed())).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let collected = collector.await.unwrap();
    println!("{seen:?}, {collected} blobs collected");
    assert!(collected > 0, "nothing was collected");
    for (what, count) in [("whole", &seen.whole), ("gone", &seen.gone), ("pushed", &seen.pushed)] {
        assert!(count.load(Ordering::Relaxed) > 0, "nothing was {what}");
    }
    is_well(&store).await;
    drop(store);
    let store = open(home.path());
    store.collect().await.unwrap();
    is_well(&store).await;
    let files = walk(&home.path().join("blobs"));
    assert_eq!(files as u64, store.check(false).await.unwrap().blobs, "files without rows");
}

fn tag(number: u64) -> Tag {
    format!("v{number}").parse().unwrap()
}

async fn put(
    store: &Store,
    at: &Repository,
    shared: Digest,
    number: u64,
) -> Result<(), StoreError> {
    let layer = push(store, at, &content(number, 20_000)).await?;
    let (manifest, bytes) = image(&[shared, layer]);
    store.put_manifest(at, Some(&tag(number)), manifest, bytes).await
}

/// As clients do: what is there is not sent.
async fn push_again(store: &Store, at: &Repository, shared: Digest, number: u64, client: u64) {
    let looked_at = Instant::now();
    let bytes = content(number, 20_000);
    let digest = Digest::of(&bytes);
    if store.blob(at, digest).await.unwrap().is_none() {
        push(store, at, &bytes).await.unwrap();
    }
    if store.blob(at, shared).await.unwrap().is_none() {
        push(store, at, &content(1_000_000, 50_000)).await.unwrap();
    }
    let (manifest, bytes) = image(&[shared, digest]);
    let tag: Tag = format!("again-{client}").parse().unwrap();
    let put = store.put_manifest(at, Some(&tag), manifest, bytes).await;
    // Nothing that was there a moment ago is missing.
    match put {
        Err(StoreError::Missing(_)) if looked_at.elapsed() >= YOUNG => return,
        put => put.unwrap(),
    }
    store.delete_tag(at, &tag).await.unwrap();
}

/// Complete, or gone; and once a blob was opened, complete.
async fn pull(store: &Store, at: &Repository, number: u64, seen: &Seen) {
    let Some(manifest) = store.manifest(at, &Target::Tag(tag(number))).await.unwrap() else {
        seen.gone.fetch_add(1, Ordering::Relaxed);
        return;
    };
    assert_eq!(Digest::of(&manifest.bytes), manifest.digest);
    let bytes = content(number, 20_000);
    let Some(layer) = store.blob(at, Digest::of(&bytes)).await.unwrap() else {
        seen.gone.fetch_add(1, Ordering::Relaxed);
        return;
    };
    assert_eq!(whole(&layer).await, bytes);
    seen.whole.fetch_add(1, Ordering::Relaxed);
}

async fn is_well(store: &Store) {
    let checked = store.check(true).await.unwrap();
    assert_eq!((checked.dropped, checked.problems), (vec![], vec![]));
    assert_eq!(store.incomplete().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_blob_from_sixteen_sides() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let bytes = content(1, 1_000_000);
    let digest = Digest::of(&bytes);
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..16 {
        let (store, bytes) = (store.clone(), bytes.clone());
        clients.spawn(async move {
            let at = local(&format!("tenant-{}", client % 5), "app");
            if client % 3 == 0 {
                let mut writer = store.write(&at, digest, None).await.unwrap();
                let offset = usize::try_from(writer.offset()).unwrap();
                writer.push(bytes.slice(offset..)).await.unwrap();
                writer.commit().await.unwrap();
            } else {
                push(&store, &at, &bytes).await.unwrap();
            }
            let blob = store.blob(&at, digest).await.unwrap().unwrap();
            assert_eq!(whole(&blob).await, bytes);
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    for tenant in 0..5 {
        let usage = store.usage(&format!("tenant-{tenant}")).await.unwrap();
        assert_eq!((usage.stored, usage.in_flight), (1_000_000, 0));
    }
    for left in ["uploads", "partial"] {
        assert_eq!(walk(&home.path().join(left)), 0, "{left}");
    }
    is_well(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_two_push_is_one_of_theirs() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let ours = local("a", "app");
    let latest: Tag = "latest".parse().unwrap();
    for round in 0..10 {
        let mut pushes = tokio::task::JoinSet::new();
        for side in 0..2 {
            let (store, ours, latest) = (store.clone(), ours.clone(), latest.clone());
            pushes.spawn(async move {
                let layer = push(&store, &ours, &content(round * 2 + side, 100)).await.unwrap();
                let (manifest, bytes) = image(&[layer]);
                let digest = Digest::of(&bytes);
                store.put_manifest(&ours, Some(&latest), manifest, bytes).await.unwrap();
                digest
            });
        }
        let pushed = pushes.join_all().await;
        let found = store.manifest(&ours, &Target::Tag(latest.clone())).await.unwrap().unwrap();
        assert!(pushed.contains(&found.digest));
        assert_eq!(Digest::of(&found.bytes), found.digest);
    }
    assert_eq!(store.tags(&ours, None, 10).await.unwrap(), [latest]);
    is_well(&store).await;
}

#[tokio::test]
async fn an_upload_that_is_left_at_any_byte_goes_on() {
    const LENGTH: usize = 257;
    let home = tempfile::tempdir().unwrap();
    let ours = local("a", "app");
    let bytes = content(1, LENGTH);
    let store = open(home.path());
    let mut uploads = Vec::new();
    for left_at in 0..=LENGTH {
        let id = store.begin_upload(&ours).await.unwrap();
        let broken = Err(std::io::ErrorKind::ConnectionReset.into());
        let sent = crate::given::pieces([Ok(bytes.slice(..left_at)), broken]);
        let refused = store.append(&ours, &id, Some(0), sent).await;
        assert!(matches!(refused, Err(StoreError::Stream(_))), "{refused:?}");
        uploads.push((id, left_at));
    }
    // Half of them after a restart.
    let later = uploads.split_off(LENGTH / 2);
    go_on(&store, &ours, &bytes, uploads).await;
    drop(store);
    go_on(&open(home.path()), &ours, &bytes, later).await;
}

async fn go_on(store: &Store, at: &Repository, bytes: &Bytes, uploads: Vec<(UploadId, usize)>) {
    for (id, left_at) in uploads {
        let offset = store.upload(at, &id).await.unwrap();
        assert_eq!(offset, Some(left_at as u64));
        let rest = bytes.slice(left_at..);
        store.append(at, &id, offset, chunks(&rest, 100)).await.unwrap();
        store.finish_upload(at, &id, Digest::of(bytes)).await.unwrap();
    }
}

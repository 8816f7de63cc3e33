//! What is brought from registries outside has so much room and no more, also while it comes.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use kiln_registry::{
    digest::Digest,
    repository::Repository,
    store::{Described, Limits, Store, StoreError, Writer},
};

use crate::given::{content, local, mirror};

const LIMIT: u64 = 10_000;

fn open(home: &Path) -> Store {
    Store::open(home, Limits { mirror_bytes: LIMIT, ..Limits::default() }).unwrap()
}

fn outside() -> Repository {
    mirror("registry.example", "app")
}

/// A download of a blob of its own that got so far.
async fn begun(store: &Store, seed: u64, length: usize) -> Result<Writer, StoreError> {
    let digest = Digest::of(&content(seed, 20_000));
    let mut writer = store.write(&outside(), digest, None).await?;
    writer.push(content(seed, length)).await?;
    writer.flush().await?;
    Ok(writer)
}

async fn brought(store: &Store, seed: u64, length: usize) -> Digest {
    let bytes = content(seed, length);
    let digest = Digest::of(&bytes);
    let mut writer = store.write(&outside(), digest, Some(length as u64)).await.unwrap();
    writer.push(bytes).await.unwrap();
    writer.commit().await.unwrap();
    digest
}

async fn in_flight(store: &Store) -> u64 {
    store.mirror_usage().await.unwrap().in_flight
}

/// Whoever writes the same blob waits until the last batch of the one before is written.
async fn kept(store: &Store, seed: u64, length: u64) {
    let before = in_flight(store).await;
    drop(begun(store, seed, usize::try_from(length).unwrap()).await.unwrap());
    while in_flight(store).await != before + length {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn downloads_count_from_their_first_byte() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let one = begun(&store, 1, 6000).await.unwrap();
    let mut other = begun(&store, 2, 4000).await.unwrap();
    assert_eq!(in_flight(&store).await, LIMIT);
    let refused = begun(&store, 3, 1).await.map(drop);
    assert!(
        matches!(refused, Err(StoreError::MirrorsFull { limit: LIMIT, wanted: 10_001 })),
        "{refused:?}"
    );
    other.restart().await.unwrap();
    assert_eq!(in_flight(&store).await, 6000);
    begun(&store, 3, 4000).await.unwrap();
    drop(one);
}

#[tokio::test]
async fn what_is_said_to_be_larger_than_the_room_is_refused_at_once() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let digest = Digest::of(b"a");
    let refused = store.write(&outside(), digest, Some(LIMIT + 1)).await.map(drop);
    assert!(matches!(refused, Err(StoreError::MirrorsFull { .. })), "{refused:?}");
    assert_eq!(fs::read_dir(home.path().join("partial")).unwrap().count(), 0);
    // Of a tenant's own it says nothing.
    store.write(&local("a", "app"), digest, Some(LIMIT + 1)).await.unwrap();
}

#[tokio::test]
async fn parts_count_and_the_oldest_make_room_first() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let stored = brought(&store, 9, 3000).await;
    for seed in [1, 2] {
        kept(&store, seed, 3000).await;
        // A file's time has its grain.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(in_flight(&store).await, 6000);
    drop(store);
    // Those of a process before count as well.
    let store = open(home.path());
    assert_eq!(in_flight(&store).await, 6000);
    let writer = begun(&store, 3, 4000).await.unwrap();
    assert_eq!(in_flight(&store).await, 7000, "one part has made room");
    assert!(store.blob(&outside(), stored).await.unwrap().is_some());
    drop(writer);
    let second = begun(&store, 2, 0).await.unwrap();
    assert_eq!(second.offset(), 3000, "the younger one stays");
    let first = begun(&store, 1, 0).await.unwrap();
    assert_eq!(first.offset(), 0, "the older one is gone");
}

#[tokio::test]
async fn what_was_used_longest_ago_makes_room_unless_it_is_held() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let held = brought(&store, 1, 4000).await;
    let other = brought(&store, 2, 4000).await;
    let blob = store.blob(&outside(), held).await.unwrap().unwrap();
    let mut writer = begun(&store, 3, 6000).await.unwrap();
    assert!(store.anywhere(other).await.unwrap().is_none());
    assert_eq!(store.mirror_usage().await.unwrap().stored, 4000);
    writer.push(content(4, 1)).await.unwrap();
    let refused = writer.flush().await;
    assert!(matches!(refused, Err(StoreError::MirrorsFull { .. })), "{refused:?}");
    drop((blob, writer));
    let checked = store.check(true).await.unwrap();
    assert_eq!((checked.dropped, checked.problems), (vec![], vec![]));
}

#[tokio::test]
async fn manifests_take_of_the_same_room() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let _writer = begun(&store, 1, 9000).await.unwrap();
    let put = async |length| {
        let manifest = Described::default();
        store.put_manifest(&outside(), None, manifest, Bytes::from(vec![b' '; length])).await
    };
    put(1000).await.unwrap();
    // The one before makes room.
    put(900).await.unwrap();
    let refused = put(1001).await;
    assert!(matches!(refused, Err(StoreError::MirrorsFull { .. })), "{refused:?}");
}

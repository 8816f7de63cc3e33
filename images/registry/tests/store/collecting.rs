//! What goes and what stays.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use bytes::Bytes;
use kiln_registry::{
    digest::Digest,
    name::{Tag, Target},
    repository::Repository,
    store::{Described, Limits, Reference, ReferrersWanted, Role, Store, StoreError},
};

use crate::given::{content, image, local, mirror, open, push, whole};

const NONE: Duration = Duration::ZERO;

/// So that what was put before is older than nothing.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

async fn put_image(store: &Store, at: &Repository, name: Option<&str>, seed: u64) -> [Digest; 2] {
    let layer = push(store, at, &content(seed, 2000)).await.unwrap();
    let (manifest, bytes) = image(&[layer]);
    let tag = name.map(tag);
    store.put_manifest(at, tag.as_ref(), manifest, bytes.clone()).await.unwrap();
    [Digest::of(&bytes), layer]
}

async fn has(store: &Store, at: &Repository, [manifest, layer]: [Digest; 2]) -> (bool, bool) {
    let target = Target::Digest(manifest);
    (
        store.manifest(at, &target).await.unwrap().is_some(),
        store.blob(at, layer).await.unwrap().is_some(),
    )
}

async fn is_well(store: &Store) {
    let checked = store.check(true).await.unwrap();
    assert_eq!((checked.dropped, checked.problems), (vec![], vec![]));
    assert_eq!(store.incomplete().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn what_no_tag_reaches_goes() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let ours = local("a", "app");
    let kept = put_image(&store, &ours, Some("kept"), 1).await;
    let gone = put_image(&store, &ours, Some("gone"), 2).await;
    assert!(store.delete_tag(&ours, &tag("gone")).await.unwrap());
    // Young, so it may be about to get a tag.
    assert_eq!(store.collect().await.unwrap().blobs, 0);
    a_moment().await;
    let collected = store.collect_older(NONE).await.unwrap();
    assert_eq!((collected.blobs, collected.bytes), (1, 2000));
    assert_eq!(has(&store, &ours, kept).await, (true, true));
    assert_eq!(has(&store, &ours, gone).await, (false, false));
    assert!(!blob_file(home.path(), &gone[1]).exists());
    let (_, bytes) = image(&[kept[1]]);
    assert_eq!(store.usage("a").await.unwrap().stored, 2000 + bytes.len() as u64);
    is_well(&store).await;
}

#[tokio::test]
async fn what_an_index_or_a_referrer_needs_stays() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let ours = local("a", "app");
    let child = put_image(&store, &ours, None, 1).await;
    let inner = index(&store, &ours, None, &[child[0]]).await;
    let outer = index(&store, &ours, Some("app"), &[inner]).await;
    let note = push(&store, &ours, &content(9, 100)).await.unwrap();
    let referrer = Described {
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        references: vec![Reference { digest: note, role: Role::Blob }],
        subject: Some(outer),
        artifact_type: Some("application/vnd.example.note".to_owned()),
        annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
    };
    let bytes = Bytes::from_static(b"{\"a\":\"note\"}");
    store.put_manifest(&ours, None, referrer, bytes.clone()).await.unwrap();
    a_moment().await;
    store.collect_older(NONE).await.unwrap();
    assert_eq!(has(&store, &ours, child).await, (true, true));
    let wanted = ReferrersWanted { after: None, artifact_type: None, limit: 10 };
    let referrers = store.referrers(&ours, outer, wanted).await.unwrap().page;
    assert_eq!(referrers.len(), 1);
    assert_eq!(referrers[0].digest, Digest::of(&bytes));
    assert_eq!(referrers[0].annotations["a"], "b");
    assert!(store.blob(&ours, note).await.unwrap().is_some());
    is_well(&store).await;
    store.delete_tag(&ours, &tag("app")).await.unwrap();
    a_moment().await;
    assert_eq!(store.collect_older(NONE).await.unwrap().blobs, 2);
    assert_eq!(store.usage("a").await.unwrap().stored, 0);
    assert!(!store.is_known(&ours).await.unwrap());
}

async fn index(store: &Store, at: &Repository, name: Option<&str>, of: &[Digest]) -> Digest {
    let media_type = "application/vnd.oci.image.index.v1+json".to_owned();
    let references =
        of.iter().map(|digest| Reference { digest: *digest, role: Role::Manifest }).collect();
    let index = Described { media_type, references, ..Described::default() };
    let bytes = Bytes::from(format!("{of:?}"));
    let tag = name.map(tag);
    store.put_manifest(at, tag.as_ref(), index, bytes.clone()).await.unwrap();
    Digest::of(&bytes)
}

#[tokio::test]
async fn what_was_looked_for_is_young_and_what_is_held_stays() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let ours = local("a", "app");
    let bytes = content(1, 3000);
    let digest = push(&store, &ours, &bytes).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let held = store.blob(&ours, digest).await.unwrap().unwrap();
    store.collect_older(Duration::from_secs(1)).await.unwrap();
    assert!(store.blob(&ours, digest).await.unwrap().is_some());
    a_moment().await;
    assert_eq!(store.collect_older(NONE).await.unwrap().blobs, 0);
    // No longer of the repository; but whoever has it may go on, and link it.
    assert!(store.blob(&ours, digest).await.unwrap().is_none());
    assert!(store.link(&ours, digest).await.unwrap());
    assert_eq!(whole(&held).await, bytes);
    drop(held);
    a_moment().await;
    assert_eq!(store.collect_older(NONE).await.unwrap().blobs, 1);
    assert!(!store.link(&ours, digest).await.unwrap());
}

#[tokio::test]
async fn mirrors_keep_what_was_used_last() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { mirror_bytes: 10_000, ..Limits::default() };
    let store = Store::open(home.path(), limits).unwrap();
    let outside = mirror("registry.example", "app");
    let ours = local("a", "app");
    let mut digests = Vec::new();
    for seed in 0..9 {
        let bytes = content(seed, 1000);
        let digest = Digest::of(&bytes);
        let mut writer = store.write(&outside, digest, Some(1000)).await.unwrap();
        writer.push(bytes).await.unwrap();
        writer.commit().await.unwrap();
        if seed == 1 {
            assert!(store.link(&ours, digest).await.unwrap());
        }
        digests.push(digest);
        a_moment().await;
    }
    assert!(store.blob(&outside, digests[0]).await.unwrap().is_some());
    let big = content(99, 3000);
    let mut writer = store.write(&outside, Digest::of(&big), None).await.unwrap();
    writer.push(big.clone()).await.unwrap();
    let held = writer.commit().await.unwrap();
    store.collect().await.unwrap();
    let mut left = Vec::new();
    for (seed, digest) in digests.iter().enumerate() {
        if store.blob(&outside, *digest).await.unwrap().is_some() {
            left.push(seed);
        }
    }
    // 12,000 bytes went down below 9,500: the oldest three, but for the one that was read since.
    assert_eq!(left, [0, 4, 5, 6, 7, 8]);
    assert!(store.anywhere(digests[1]).await.unwrap().is_some(), "a tenant has it");
    assert!(store.anywhere(digests[2]).await.unwrap().is_none());
    assert_eq!(whole(&held).await, big);
    is_well(&store).await;
}

#[tokio::test]
async fn a_tenant_has_so_much_and_no_more() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { tenant_bytes: 12_048, ..Limits::default() };
    let store = Store::open(home.path(), limits).unwrap();
    let ours = local("a", "app");
    let first = push(&store, &ours, &content(1, 4000)).await.unwrap();
    let id = store.begin_upload(&ours).await.unwrap();
    let chunks = crate::given::chunks;
    store.append(&ours, &id, None, chunks(&content(2, 5000), 512)).await.unwrap();
    // The repository and the link take 512 bytes each. In flight counts, and what was refused leaves nothing.
    let refused = store.append(&ours, &id, None, chunks(&content(3, 2025), 512)).await;
    assert!(matches!(refused, Err(StoreError::Quota { limit: 12_048, .. })), "{refused:?}");
    assert_eq!(store.upload(&ours, &id).await.unwrap(), Some(5000));
    let usage = store.usage("a").await.unwrap();
    assert_eq!((usage.stored, usage.in_flight), (4000, 5000));
    let refused = push(&store, &local("a", "other"), &content(4, 2025)).await;
    assert!(matches!(refused, Err(StoreError::Quota { .. })), "{refused:?}");
    // The same content in another of its repositories takes its rows; other tenants have their own.
    assert!(store.link(&local("a", "third"), first).await.unwrap());
    push(&store, &local("b", "app"), &content(5, 9000)).await.unwrap();
    let theirs = Digest::of(&content(5, 9000));
    let refused = store.link(&ours, theirs).await;
    assert!(matches!(refused, Err(StoreError::Quota { .. })), "{refused:?}");
    let (manifest, bytes) = image(&[first; 40]);
    let refused = store.put_manifest(&ours, None, manifest, bytes).await;
    assert!(matches!(refused, Err(StoreError::Quota { .. })), "{refused:?}");
    store.append(&ours, &id, None, chunks(&content(3, 1000), 512)).await.unwrap();
    assert!(store.cancel_upload(&ours, &id).await.unwrap());
    assert_eq!(store.usage("a").await.unwrap().in_flight, 0);
    is_well(&store).await;
}

#[tokio::test]
async fn rows_count_as_well() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { tenant_bytes: 20_000, ..Limits::default() };
    let store = Store::open(home.path(), limits).unwrap();
    let ours = local("a", "app");
    let (mut manifest, bytes) = image(&[]);
    manifest.annotations = BTreeMap::from([("a".to_owned(), "b".repeat(5000))]);
    let put = async |name: usize| {
        let tag = tag(&format!("v{name}"));
        store.put_manifest(&ours, Some(&tag), manifest.clone(), bytes.clone()).await
    };
    let mut tags = 0;
    let refused = loop {
        match put(tags).await {
            Ok(()) => tags += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Quota { .. }), "{refused:?}");
    let annotations = serde_json::to_string(&manifest.annotations).unwrap().len();
    assert_eq!(tags, (20_000 - 2 * 512 - annotations - bytes.len()) / 512);
    // What is there may be put again, and what goes makes room.
    put(0).await.unwrap();
    assert!(store.delete_tag(&ours, &tag("v0")).await.unwrap());
    put(tags).await.unwrap();
    // Nothing at all takes its rows too.
    let refused = push(&store, &local("a", "other"), &Bytes::new()).await;
    assert!(matches!(refused, Err(StoreError::Quota { .. })), "{refused:?}");
    is_well(&store).await;
    store.drop_repository(&ours).await.unwrap();
    store.collect_older(NONE).await.unwrap();
    is_well(&store).await;
    push(&store, &local("a", "other"), &content(1, 20_000 - 1024)).await.unwrap();
    is_well(&store).await;
}

#[tokio::test]
async fn a_right_to_nothing_goes_when_it_is_old() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let [empty, full] = ["empty", "full"].map(|name| mirror("registry.example", name));
    for at in [&empty, &full] {
        store.set_right("a", at, false).await.unwrap();
    }
    put_mirrored(&store, &full).await;
    a_moment().await;
    store.collect().await.unwrap();
    assert!(store.right("a", &empty).await.unwrap().is_some(), "it is young");
    drop(store);
    let limits = Limits { upload_age: NONE, ..Limits::default() };
    let store = Store::open(home.path(), limits).unwrap();
    store.collect().await.unwrap();
    assert!(store.right("a", &empty).await.unwrap().is_none());
    assert!(store.right("a", &full).await.unwrap().is_some());
}

async fn put_mirrored(store: &Store, at: &Repository) {
    let (manifest, bytes) = image(&[]);
    store.put_manifest(at, None, manifest, bytes).await.unwrap();
}

type Alter = fn(&Path, &Bytes);

#[tokio::test]
async fn a_file_that_was_altered_is_never_served() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let ours = local("a", "app");
    let bytes = content(1, 5000);
    let alterations: [(Alter, bool); 5] = [
        (|path, bytes| flip(path, bytes), false),
        (|path, bytes| fs::write(path, &bytes[..4999]).unwrap(), false),
        (|path, _| fs::remove_file(path).unwrap(), false),
        (|path, bytes| copied(path, &bytes.slice(1..)), false),
        // Of a copy of the store, or of one that was put back.
        (|path, bytes| copied(path, bytes), true),
    ];
    for (alter, is_served) in alterations {
        let digest = push(&store, &ours, &bytes).await.unwrap();
        alter(&blob_file(home.path(), &digest), &bytes);
        let blob = store.blob(&ours, digest).await.unwrap();
        assert_eq!(blob.is_some(), is_served);
        if let Some(blob) = blob {
            assert_eq!(whole(&blob).await, bytes);
        }
        assert_eq!(store.verify(digest).await.unwrap(), is_served);
        is_well(&store).await;
    }
}

/// As a disk may do it: the mark that was kept tells nothing, and reading does.
fn flip(path: &Path, bytes: &Bytes) {
    let mut bytes = bytes.to_vec();
    bytes[2500] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn copied(path: &Path, bytes: &Bytes) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn what_a_crash_left_goes() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let ours = local("a", "app");
    let kept = push(&store, &ours, &content(1, 100)).await.unwrap();
    drop(store);
    let orphan = blob_file(home.path(), &Digest::of(b"nobody's"));
    fs::write(&orphan, b"nobody's").unwrap();
    fs::write(home.path().join("uploads").join("a".repeat(32)), b"without a note").unwrap();
    fs::write(home.path().join("uploads").join(format!("{}.json", "b".repeat(32))), b"{").unwrap();
    let store = open(home.path());
    assert_eq!(fs::read_dir(home.path().join("uploads")).unwrap().count(), 0);
    store.collect().await.unwrap();
    assert!(!orphan.exists());
    assert!(store.blob(&ours, kept).await.unwrap().is_some());
}

#[tokio::test]
async fn what_nobody_goes_on_with_expires() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { upload_age: Duration::from_millis(100), ..Limits::default() };
    let store = Store::open(home.path(), limits).unwrap();
    let ours = local("a", "app");
    let id = store.begin_upload(&ours).await.unwrap();
    store.append(&ours, &id, None, crate::given::chunks(&content(1, 100), 10)).await.unwrap();
    let outside = mirror("registry.example", "app");
    let mut left = store.write(&outside, Digest::of(b"left"), None).await.unwrap();
    left.push(content(2, 10)).await.unwrap();
    drop(left);
    let going_on = store.write(&outside, Digest::of(b"going on"), None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    store.collect().await.unwrap();
    assert_eq!(store.upload(&ours, &id).await.unwrap(), None);
    assert_eq!(store.usage("a").await.unwrap().in_flight, 0);
    assert_eq!(fs::read_dir(home.path().join("partial")).unwrap().count(), 1);
    drop(going_on);
}

fn blob_file(home: &Path, digest: &Digest) -> std::path::PathBuf {
    let hex = digest.hex();
    home.join("blobs/sha256").join(&hex[..2]).join(hex)
}

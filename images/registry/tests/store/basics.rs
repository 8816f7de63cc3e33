//! What is put is got, by whom it should be.

use std::io;

use kiln_registry::{content::Part, digest::Digest, name::Target, store::StoreError};

use crate::given::{chunks, content, image, local, mirror, open, pieces, push, read, whole};

#[tokio::test]
async fn a_blob_that_was_pushed_is_read() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let (ours, theirs) = (local("a", "app"), local("b", "app"));
    for length in [0, 1, 512, 1 << 20, 3_000_001] {
        let bytes = content(length as u64, length);
        let digest = push(&store, &ours, &bytes).await.unwrap();
        let blob = store.blob(&ours, digest).await.unwrap().unwrap();
        assert_eq!((blob.size, whole(&blob).await), (length as u64, bytes.clone()));
        assert!(store.blob(&theirs, digest).await.unwrap().is_none());
        assert!(store.anywhere(digest).await.unwrap().is_some());
        let part = Part { start: 100, length: 300 };
        let read = read(blob.chunks(Some(part))).await.unwrap();
        assert_eq!(read, bytes.slice(100.min(length)..400.min(length)));
    }
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was_and_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let ours = local("a", "app");
    let bytes = content(1, 300_000);
    let digest = Digest::of(&bytes);
    let store = open(home.path());
    let id = store.begin_upload(&ours).await.unwrap();
    assert_eq!(store.upload(&ours, &id).await.unwrap(), Some(0));
    let first = bytes.slice(..100_000);
    assert_eq!(store.append(&ours, &id, Some(0), chunks(&first, 999)).await.unwrap(), 100_000);
    let again = store.append(&ours, &id, Some(0), chunks(&first, 999)).await;
    assert!(matches!(again, Err(StoreError::OutOfOrder { offset: 100_000 })), "{again:?}");
    drop(store);
    let store = open(home.path());
    assert_eq!(store.upload(&ours, &id).await.unwrap(), Some(100_000));
    assert_eq!(store.upload(&local("b", "app"), &id).await.unwrap(), None);
    let rest = bytes.slice(100_000..);
    store.append(&ours, &id, None, chunks(&rest, 70_000)).await.unwrap();
    assert_eq!(store.finish_upload(&ours, &id, digest).await.unwrap(), 300_000);
    let blob = store.blob(&ours, digest).await.unwrap().unwrap();
    assert_eq!(whole(&blob).await, bytes);
    let gone = store.finish_upload(&ours, &id, digest).await;
    assert!(matches!(gone, Err(StoreError::NoUpload)), "{gone:?}");
}

#[tokio::test]
async fn other_bytes_are_no_blob() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let ours = local("a", "app");
    let digest = Digest::of(b"what was meant");
    let id = store.begin_upload(&ours).await.unwrap();
    store.append(&ours, &id, None, chunks(&content(2, 1000), 100)).await.unwrap();
    let refused = store.finish_upload(&ours, &id, digest).await;
    assert!(matches!(refused, Err(StoreError::OtherDigest { .. })), "{refused:?}");
    assert!(store.anywhere(digest).await.unwrap().is_none());
    assert_eq!(store.usage("a").await.unwrap().in_flight, 0);
}

#[tokio::test]
async fn what_came_before_a_sender_broke_off_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let ours = local("a", "app");
    let bytes = content(3, 1000);
    let id = store.begin_upload(&ours).await.unwrap();
    let broken = [Ok(bytes.slice(..600)), Err(io::ErrorKind::ConnectionReset.into())];
    let refused = store.append(&ours, &id, None, pieces(broken)).await;
    assert!(matches!(refused, Err(StoreError::Stream(_))), "{refused:?}");
    assert_eq!(store.upload(&ours, &id).await.unwrap(), Some(600));
    store.append(&ours, &id, Some(600), chunks(&bytes.slice(600..), 7)).await.unwrap();
    store.finish_upload(&ours, &id, Digest::of(&bytes)).await.unwrap();
}

#[tokio::test]
async fn a_manifest_needs_what_it_names() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let ours = local("a", "app");
    let tag = "latest".parse().unwrap();
    let absent = Digest::of(b"absent");
    let (manifest, bytes) = image(&[absent]);
    let refused = store.put_manifest(&ours, Some(&tag), manifest.clone(), bytes.clone()).await;
    assert!(matches!(refused, Err(StoreError::Missing(all)) if all == [absent]));
    assert!(store.manifest(&ours, &Target::Tag(tag.clone())).await.unwrap().is_none());
    let outside = mirror("registry.example", "app");
    store.put_manifest(&outside, Some(&tag), manifest, bytes.clone()).await.unwrap();
    let found = store.manifest(&outside, &Target::Tag(tag.clone())).await.unwrap().unwrap();
    assert_eq!(found.bytes, bytes);
    assert!(found.confirmed_at.is_some());
    assert_eq!(store.tags(&outside, None, 10).await.unwrap(), std::slice::from_ref(&tag));
    assert!(store.delete_tag(&outside, &tag).await.unwrap());
    assert!(!store.delete_tag(&outside, &tag).await.unwrap());
    let by_digest = Target::Digest(found.digest);
    assert!(store.manifest(&outside, &by_digest).await.unwrap().is_some());
    assert!(store.delete_manifest(&outside, found.digest).await.unwrap());
    assert!(store.manifest(&outside, &by_digest).await.unwrap().is_none());
}

#[tokio::test]
async fn a_download_is_read_while_it_grows_and_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let outside = mirror("registry.example", "app");
    let bytes = content(4, 2_500_000);
    let digest = Digest::of(&bytes);
    let size = Some(bytes.len() as u64);
    let mut writer = store.write(&outside, digest, size).await.unwrap();
    for chunk in bytes.slice(..1_000_000).chunks(64 << 10) {
        writer.push(bytes.slice_ref(chunk)).await.unwrap();
    }
    let reader = tokio::spawn(read(writer.reader(None)));
    drop(writer);
    assert!(reader.await.unwrap().is_err());
    let mut writer = store.write(&outside, digest, size).await.unwrap();
    let offset = usize::try_from(writer.offset()).unwrap();
    assert!(offset > 0, "a part is kept");
    let whole_of_it = tokio::spawn(read(writer.reader(None)));
    let part = Part { start: 5, length: 1_999_995 };
    let part_of_it = tokio::spawn(read(writer.reader(Some(part))));
    for chunk in bytes.slice(offset..).chunks(64 << 10) {
        writer.push(bytes.slice_ref(chunk)).await.unwrap();
    }
    let blob = writer.commit().await.unwrap();
    assert_eq!(whole(&blob).await, bytes);
    assert_eq!(whole_of_it.await.unwrap().unwrap(), bytes);
    assert_eq!(part_of_it.await.unwrap().unwrap(), bytes.slice(5..2_000_000));
    assert!(store.blob(&outside, digest).await.unwrap().is_some());
}

#[tokio::test]
async fn a_download_of_other_bytes_never_ends() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path());
    let outside = mirror("registry.example", "app");
    let digest = Digest::of(b"what was meant");
    let mut writer = store.write(&outside, digest, Some(1000)).await.unwrap();
    let reader = tokio::spawn(read(writer.reader(None)));
    writer.push(content(5, 1000)).await.unwrap();
    let refused = writer.commit().await;
    assert!(matches!(refused, Err(StoreError::OtherDigest { .. })), "{refused:?}");
    assert!(reader.await.unwrap().is_err());
    assert_eq!(store.write(&outside, digest, Some(1000)).await.unwrap().offset(), 0);
}

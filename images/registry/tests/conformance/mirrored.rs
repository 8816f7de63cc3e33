//! What comes through the mirror, and what is made of what it says.

use std::io;

use bytes::Bytes;
use hyper::Method;
use kiln_registry::{content::Manifest, digest::Digest, record::Origin};

use crate::{
    content,
    stage::{Lie, Stage},
};

fn given(stage: &Stage, digest: Digest, size: u64, chunks: Vec<Result<Bytes, io::ErrorKind>>) {
    stage.outside.blobs.lock().unwrap().insert(digest, Lie { size, chunks });
}

#[tokio::test]
async fn manifests_and_blobs_come_through() {
    let stage = Stage::new().await;
    let bytes = Bytes::from_static(b"{}");
    let digest = Digest::of(&bytes);
    let media_type = content::IMAGE.to_owned();
    let manifest = Manifest { digest, media_type, bytes: bytes.clone(), origin: Origin::Stale };
    let key = "docker.io/library/debian 12".to_owned();
    stage.outside.manifests.lock().unwrap().insert(key, manifest);
    let target = "/v2/docker.io/debian/manifests/12";
    let got = stage.client.get(target).await.has(200);
    assert_eq!(got.body, bytes);
    assert!(stage.client.head(target).await.has(200).body.is_empty());
    let blob = Bytes::from(content::blob(1, 2048));
    let digest = Digest::of(&blob);
    given(&stage, digest, 2048, vec![Ok(blob.slice(..1000)), Ok(blob.slice(1000..))]);
    let target = format!("/v2/debian/blobs/{digest}?ns=docker.io");
    assert_eq!(stage.client.get(&target).await.has(200).body, blob);
    assert_eq!(stage.client.head(&target).await.has(200).header("content-length"), "2048");
    for (range, first, last) in [("bytes=-500", 1548, 2047), ("bytes=2000-5000", 2000, 2047)] {
        let part = stage.client.ask(Method::GET, &target).header("range", range).send().await;
        assert_eq!(part.has(206).body, blob[first..=last]);
    }
    let outside = stage.client.ask(Method::GET, &target).header("range", "bytes=5000-");
    outside.send().await.fails(416, "SIZE_INVALID");
    for _ in 0..500 {
        if stage.told.served.lock().unwrap().len() >= 5 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let told = stage.told.served.lock().unwrap();
    let first = &told[0];
    assert_eq!(first.registry.as_ref().map(kiln_registry::name::Host::as_str), Some("docker.io"));
    assert_eq!((&*first.repository, first.tag.as_deref()), ("library/debian", Some("12")));
    assert_eq!(first.origin, Origin::Stale);
    assert_eq!(told.iter().map(|told| told.bytes).collect::<Vec<_>>(), [2, 0, 2048, 500, 48]);
}

/// A client that was sent as many bytes as it was promised believes that it has the blob.
#[tokio::test]
async fn a_blob_that_is_another_breaks_the_connection() {
    let stage = Stage::new().await;
    let chunk = |length| Ok(Bytes::from(vec![0; length]));
    let wrong = || Err(io::ErrorKind::InvalidData);
    for (seed, chunks) in [
        vec![chunk(1000), chunk(1048), wrong()],
        vec![chunk(1000), wrong()],
        vec![wrong()],
        vec![chunk(1000)],
        vec![],
        vec![chunk(1000), chunk(1048), chunk(1)],
        vec![chunk(4000)],
    ]
    .into_iter()
    .enumerate()
    {
        let digest = Digest::of(&[u8::try_from(seed).unwrap()]);
        given(&stage, digest, 2048, chunks);
        let target = format!("/v2/docker.io/a/blobs/{digest}");
        let broken = stage.client.ask(Method::GET, &target).sent().await;
        assert!(broken.is_err(), "{broken:?}");
    }
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(stage.told.served.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_the_mirror_refuses_it_tells_itself() {
    let stage = Stage::new().await;
    let reply = stage.client.get("/v2/docker.io/a/manifests/v1").await;
    let reply = reply.fails(404, "MANIFEST_UNKNOWN");
    assert_eq!(reply.reason, "not there\\r\\n\\u{e4}");
    assert!(stage.told.refused.lock().unwrap().is_empty());
}

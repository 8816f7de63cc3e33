//! Tags mean what their registry says they mean, each time.

use kiln_registry::record::Origin;

use crate::{
    stage::{Asker, Plan, bytes, read},
    upstream::{Registry, Reply},
};

#[tokio::test]
async fn cold_then_warm_then_moved() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let asker = Asker::of("acme");
    let image = registry.put_image("team/app", "v1", &bytes(300_000, 1));

    let cold = stage.manifest(&asker, &registry, "team/app", "v1").await.unwrap();
    assert_eq!((cold.digest, cold.origin), (image.manifest, Origin::Fetched));
    assert_eq!(cold.bytes, image.bytes);
    let blob = stage.blob(&asker, &registry, "team/app", image.layer).await.unwrap();
    assert_eq!((blob.size, blob.origin), (300_000, Origin::Fetched));
    assert_eq!(read(blob).await.unwrap(), bytes(300_000, 1));

    registry.forget_seen();
    let warm = stage.manifest(&asker, &registry, "team/app", "v1").await.unwrap();
    assert_eq!((warm.digest, warm.origin), (image.manifest, Origin::Confirmed));
    let blob = stage.blob(&asker, &registry, "team/app", image.layer).await.unwrap();
    assert_eq!(blob.origin, Origin::Confirmed);
    assert_eq!(read(blob).await.unwrap(), bytes(300_000, 1));
    assert_eq!(registry.seen().len(), 1, "one HEAD says that all of it is as it was");
    assert_eq!(registry.count("HEAD", "manifests/v1"), 1);

    let moved = registry.put_image("team/app", "v1", &bytes(1000, 2));
    let after = stage.manifest(&asker, &registry, "team/app", "v1").await.unwrap();
    assert_eq!((after.digest, after.origin), (moved.manifest, Origin::Fetched));
    let before = image.manifest.to_string();
    let before = stage.manifest(&asker, &registry, "team/app", &before).await.unwrap();
    assert_eq!(before.origin, Origin::Confirmed, "what it meant is still there by its digest");
    assert!(asker.refusals().is_empty());
}

#[tokio::test]
async fn a_registry_that_tells_no_digest_or_answers_no_head_is_asked_for_all_of_it() {
    for (status, drop_digest) in [(200, true), (405, false)] {
        let registry = Registry::start().await;
        let stage = Plan::new().knows(&registry).stage();
        let asker = Asker::of("acme");
        let image = registry.put_image("app", "v1", b"layer");
        registry.fail(move |request, reply| {
            if request.method == "HEAD" && status != 200 {
                return Some(Reply::status(status));
            }
            let mut reply = reply.clone();
            if drop_digest {
                reply.headers.retain(|(name, _)| name != "Docker-Content-Digest");
            }
            Some(reply)
        });
        for _ in 0..2 {
            let found = stage.manifest(&asker, &registry, "app", "v1").await.unwrap();
            assert_eq!(found.digest, image.manifest);
        }
        let by_digest = image.manifest.to_string();
        let found = stage.manifest(&asker, &registry, "app", &by_digest).await.unwrap();
        assert_eq!(found.origin, Origin::Confirmed);
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_and_recorded() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let asker = Asker::of("acme");
    let problem = stage.manifest(&asker, &registry, "app", "none").await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.status), ("MANIFEST_UNKNOWN", 404));
    let upstream = problem.upstream.unwrap();
    assert_eq!((upstream.host, upstream.status), (registry.host(), Some(404)));
    let digest = kiln_registry::digest::Digest::of(b"none");
    let problem = stage.blob(&asker, &registry, "app", digest).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.status), ("BLOB_UNKNOWN", 404));

    let [manifest, blob] = asker.refusals().try_into().unwrap();
    assert_eq!(manifest.registry, Some(registry.host()));
    assert_eq!((manifest.repository.as_str(), manifest.target.as_str()), ("app", "none"));
    assert_eq!((manifest.code.as_str(), manifest.upstream_status), ("MANIFEST_UNKNOWN", Some(404)));
    assert_eq!((blob.code.as_str(), blob.target), ("BLOB_UNKNOWN", digest.to_string()));
}

#[tokio::test]
async fn a_head_of_a_blob_brings_nothing() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let asker = Asker::of("acme");
    let image = registry.put_image("app", "v1", &bytes(5000, 1));
    let head = kiln_registry::mirror::Extent::Head;
    let blob = stage.extent(&asker, &registry, "app", image.layer, head).await.unwrap();
    assert_eq!(blob.size, 5000);
    assert_eq!(registry.count("GET", "blobs"), 0);
    assert!(read(blob).await.unwrap().is_empty());
}

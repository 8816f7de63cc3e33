//! What is kept of a build, for how long, and who sees it.

use std::time::Duration;

use kiln_registry::{
    build::Maker,
    digest::Digest,
    operate::{Form, OperateError, Place, Reference},
    store::{Limits, Store},
};

use crate::{
    built::given::{JOB, exported, maker},
    stage::{Stage, TENANT},
    tars::{Tar, image, index, layer},
};

#[tokio::test]
async fn a_build_of_two_platforms_is_told_as_it_is() {
    let (stage, exported) = (Stage::new(), exported("app", 3));
    for tar in [exported.bytes(), exported.documents_first()] {
        let built = stage.ingest(&tar).await.unwrap();
        assert_eq!(built.root.digest, exported.digest());
        let platforms: Vec<_> =
            built.images.iter().map(|image| image.platform.to_string()).collect();
        assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
        for image in &built.images {
            assert_eq!((image.layers.len(), image.attestations.len()), (3, 1));
        }
        let content: usize = exported.tar.0.iter().map(|(_, content)| content.len()).sum();
        assert_eq!(built.total_bytes, content as u64);
        let usage = stage.store.usage(TENANT).await.unwrap();
        assert_eq!((usage.stored, usage.in_flight), (built.total_bytes, 0));
    }
    let checked = stage.store.check(true).await.unwrap();
    assert_eq!((checked.dropped, checked.problems), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn it_has_no_name_and_is_in_no_list() {
    let (stage, exported) = (Stage::new(), exported("app", 1));
    stage.ingest(&exported.bytes()).await.unwrap();
    assert_eq!(stage.names().await, Vec::<String>::new());
    for name in [JOB.to_owned(), format!("kiln.build/{JOB}")] {
        let (name, digest) = (name.parse().unwrap(), Some(exported.digest()));
        let by_digest = Reference { place: Place::Local, name, tag: None, digest };
        let error = stage.images.inspect(TENANT, &by_digest).await.unwrap_err();
        assert!(matches!(error, OperateError::NotFound { .. }), "{error}");
    }
    let others = Maker::new("other", JOB).unwrap();
    assert!(!stage.images.has_build(&others).await.unwrap());
    let digest = exported.digest();
    let error = stage.images.plan_build(&others, digest, Form::Oci, &[]).await.unwrap_err();
    assert!(matches!(error, OperateError::WentAway { .. }), "{error}");
}

#[tokio::test]
async fn no_collection_takes_it_before_it_is_forgotten() {
    let (stage, exported) = (Stage::new(), exported("app", 2));
    let built = stage.ingest(&exported.bytes()).await.unwrap();
    stage.store.collect_older(Duration::ZERO).await.unwrap();
    stage.images.prune(TENANT, true).await.unwrap();
    let plan = stage.images.plan_build(&maker(), built.root.digest, Form::Oci, &[]).await.unwrap();
    plan.digest().await.unwrap();
    stage.images.forget_build(&maker()).await.unwrap();
    stage.images.forget_build(&maker()).await.unwrap();
    assert!(!stage.images.has_build(&maker()).await.unwrap());
    let collected = stage.store.collect_older(Duration::ZERO).await.unwrap();
    let manifests = 5;
    assert_eq!(collected.blobs, exported.tar.0.len() as u64 - manifests);
    let usage = stage.store.usage(TENANT).await.unwrap();
    assert_eq!((usage.stored, usage.in_flight), (0, 0));
}

#[tokio::test]
async fn what_nothing_needs_is_not_kept() {
    let stage = Stage::new();
    let (built, stray) = (image("app", 1), layer("stray", 200_000));
    let tar = built.onto(Tar::default().blob(&stray)).blob(b"a small one");
    let tar = tar.file("manifest.json", "[]").file("notes/else", "x");
    let tar = tar.layout(&index(&[built.entry(None)])).bytes();
    assert_eq!(stage.ingest(&tar).await.unwrap().total_bytes, built.size());
    for content in [&stray[..], b"a small one"] {
        assert!(stage.store.anywhere(Digest::of(content)).await.unwrap().is_none());
    }
    assert_eq!(stage.store.usage(TENANT).await.unwrap().stored, built.size());
}

#[tokio::test]
async fn what_is_stored_already_is_written_once() {
    let (stage, exported) = (Stage::new(), exported("app", 2));
    let other = Maker::new("other", "another").unwrap();
    stage.ingest_as(&other, &exported.bytes()).await.unwrap();
    let built = stage.ingest(&exported.bytes()).await.unwrap();
    // Each pays for it.
    assert_eq!(stage.store.usage(TENANT).await.unwrap().stored, built.total_bytes);
    stage.images.forget_build(&other).await.unwrap();
    stage.store.collect_older(Duration::ZERO).await.unwrap();
    let plan = stage.images.plan_build(&maker(), built.root.digest, Form::Oci, &[]).await.unwrap();
    plan.digest().await.unwrap();
}

#[tokio::test]
async fn a_tenant_over_its_quota_keeps_nothing() {
    let (directory, exported) = (tempfile::tempdir().unwrap(), exported("app", 40));
    let limits = Limits { tenant_bytes: 1 << 20, ..Limits::default() };
    let stage = Stage::on(Store::open(directory.path(), limits).unwrap());
    let error = stage.ingest(&exported.bytes()).await.unwrap_err();
    assert_eq!(error.fault(), kiln_registry::operate::Fault::Room, "{error}");
    let usage = stage.store.usage(TENANT).await.unwrap();
    assert_eq!((usage.stored, usage.in_flight), (0, 0));
    assert_eq!(std::fs::read_dir(directory.path().join("batches")).unwrap().count(), 0);
}

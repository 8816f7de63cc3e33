//! Names that builds' images get, here and outside, and caches that go on.

use std::time::Duration;

use kiln_registry::{
    build::Maker,
    digest::Digest,
    manifest::Manifest,
    operate::{Onward, OperateError},
    repository::{Repository, Space},
};

use super::given::{JOB, exported, maker};
use crate::{
    program::{Registry, skopeo},
    stage::{Heard, Stage, TENANT, caller, reference},
    tars::{Built, Tar, image},
};

#[tokio::test]
async fn a_name_of_the_tenants_own_outlives_the_build() {
    let stage = Stage::new();
    let built = stage.ingest(&exported("app", 2).bytes()).await.unwrap();
    let digest = built.root.digest;
    for _ in 0..2 {
        let named =
            stage.images.name_build(&maker(), digest, &reference("local/app:1")).await.unwrap();
        assert_eq!(
            (named.digest, named.size, named.incomplete),
            (digest, built.total_bytes, false)
        );
    }
    // Its content counts once; what is more are the rows of it.
    assert_eq!(stage.store.usage(TENANT).await.unwrap().stored, built.total_bytes);
    stage.images.forget_build(&maker()).await.unwrap();
    stage.store.collect_older(Duration::ZERO).await.unwrap();
    assert_eq!(stage.names().await, ["local/app:1"]);
    stage.export("local/app:1").await.unwrap();
    let gone =
        stage.images.name_build(&maker(), digest, &reference("local/app:2")).await.unwrap_err();
    assert!(matches!(gone, OperateError::WentAway { .. }), "{gone}");
    let outside = reference("registry.example/app:1");
    let error = stage.images.name_build(&maker(), digest, &outside).await.unwrap_err();
    assert!(matches!(error, OperateError::NotLocal { .. }), "{error}");
}

#[tokio::test]
async fn a_push_gives_a_tag_or_none() {
    let registry = Registry::start();
    let stage = Stage::knowing(&[&registry.host]);
    let digest = stage.ingest(&exported("app", 2).bytes()).await.unwrap().root.digest;
    let heard = Heard::default();
    let tagged = reference(&format!("{}/tagged:1", registry.host));
    let push = async |target, by_digest| {
        let progress = heard.progress();
        stage.images.push_build(&caller(), &maker(), digest, target, by_digest, &progress).await
    };
    let pushed = push(&tagged, false).await.unwrap();
    assert_eq!(pushed.digest, digest);
    // Again: nothing but manifests goes.
    assert!(push(&tagged, false).await.unwrap().sent < pushed.sent);
    let place = format!("docker://{}/tagged:1", registry.host);
    let raw = skopeo().run(&["inspect", "--tls-verify=false", "--raw", &place]);
    assert_eq!(Digest::of(raw.as_bytes()), digest);
    push(&reference(&format!("{}/plain:1", registry.host)), true).await.unwrap();
    let place = format!("docker://{}/plain@{digest}", registry.host);
    skopeo().run(&["inspect", "--tls-verify=false", "--raw", &place]);
    let place = format!("docker://{}/plain", registry.host);
    let tags = skopeo().told(&["list-tags", "--tls-verify=false", &place]);
    assert!(!tags.contains("\"1\""), "{tags}");
}

#[tokio::test]
async fn a_cache_goes_on_once() {
    let registry = Registry::start();
    let stage = Stage::knowing(&[&registry.host]);
    let target = reference(&format!("{}/cache:main", registry.host));
    let progress = Heard::default().progress();
    let push = async || stage.images.push_cache(&caller(), &maker(), 0, &target, &progress).await;
    assert_eq!(push().await.unwrap(), Onward::Absent);
    let cache = pushed_by_its_guest(&stage).await;
    assert_eq!(stage.names().await, ["local/source:1"]);
    stage.store.collect_older(Duration::ZERO).await.unwrap();
    let Onward::Brought(pushed) = push().await.unwrap() else { panic!("it was there") };
    assert_eq!(pushed.digest, cache.digest());
    assert_eq!(push().await.unwrap(), Onward::Already);
    stage.store.collect_older(Duration::ZERO).await.unwrap();
    assert_eq!(push().await.unwrap(), Onward::Already);
    let place = format!("docker://{}/cache:main", registry.host);
    skopeo().run(&["inspect", "--tls-verify=false", "--raw", &place]);
}

#[tokio::test]
async fn what_was_begun_is_not_done() {
    let stage = Stage::knowing(&[]);
    let progress = Heard::default().progress();
    let outside = reference("registry.example/cache:main");
    let push = async || stage.images.push_cache(&caller(), &maker(), 0, &outside, &progress).await;
    // Blobs without a manifest, as of a guest that stopped there.
    let (layer, from) = (image("cache", 1), "local/source:1");
    stage.import(Some(from), &layer.layout(None).bytes()).await.unwrap();
    let config = Digest::of(&layer.onto(Tar::default()).0[0].1);
    assert!(stage.store.link(&hidden(), config).await.unwrap());
    assert_eq!(push().await.unwrap(), Onward::Absent);
    pushed_by_its_guest(&stage).await;
    for _ in 0..2 {
        push().await.expect_err("nobody is there");
    }
}

#[tokio::test]
async fn a_cache_gets_the_name_that_was_asked_for() {
    let stage = Stage::new();
    let (target, other) = (reference("local/app:cache"), reference("local/app:other"));
    let name = async |target| stage.images.name_cache(&maker(), 0, target).await.unwrap();
    assert_eq!(name(&target).await, Onward::Absent);
    let cache = pushed_by_its_guest(&stage).await;
    let own = "guest".parse().unwrap();
    let bytes = cache.manifest.to_string().into_bytes();
    let manifest = Manifest::parse(None, &bytes).unwrap();
    stage.store.put_manifest(&hidden(), Some(&own), &manifest, bytes.into()).await.unwrap();
    assert_eq!(name(&target).await, Onward::Brought(cache.digest()));
    assert_eq!(stage.names().await, ["local/app:cache", "local/source:1"]);
    assert_eq!(name(&target).await, Onward::Already);
    // That it is there says nothing of another name.
    assert_eq!(name(&other).await, Onward::Absent);
    stage.images.forget_build(&maker()).await.unwrap();
    stage.store.collect_older(Duration::ZERO).await.unwrap();
    stage.export("local/app:cache").await.unwrap();
    assert_eq!(name(&target).await, Onward::Absent);
    let outside = reference("registry.example/app:cache");
    let error = stage.images.name_cache(&maker(), 0, &outside).await.unwrap_err();
    assert!(matches!(error, OperateError::NotLocal { .. }), "{error}");
}

fn hidden() -> Repository {
    let space = Space::Build { tenant: TENANT.to_owned() };
    Repository { space, name: format!("{JOB}/cache/0").parse().unwrap() }
}

async fn pushed_by_its_guest(stage: &Stage) -> Built {
    let (cache, tag) = (image("cache", 2), Maker::cache_tag());
    stage.import(Some("local/source:1"), &cache.layout(None).bytes()).await.unwrap();
    for blob in cache.onto(Tar::default()).0.iter().map(|(_, content)| content) {
        let digest = Digest::of(blob);
        if digest != cache.digest() {
            assert!(stage.store.link(&hidden(), digest).await.unwrap());
        }
    }
    let bytes = cache.manifest.to_string().into_bytes();
    let manifest = Manifest::parse(None, &bytes).unwrap();
    stage.store.put_manifest(&hidden(), Some(&tag), &manifest, bytes.into()).await.unwrap();
    cache
}

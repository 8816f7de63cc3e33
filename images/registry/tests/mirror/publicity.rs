//! What anybody may read, and how it ends: what a registry last said of a repository counts, whoever
//! it said it to.

use std::time::Duration;

use kiln_registry::{
    problem::Problem,
    record::Origin,
    repository::{Repository, Space},
    store::Store,
};

use crate::{
    stage::{Asker, Plan, Stage, bytes, read},
    upstream::{Image, Registry, Reply},
};

const NAME: &str = "team/app";

fn assert_denied(result: Result<impl std::fmt::Debug, Problem>) {
    let problem = result.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.status), ("DENIED", 403), "{problem}");
}

fn repository(registry: &Registry) -> Repository {
    Repository { space: Space::Mirror { host: registry.host() }, name: NAME.parse().unwrap() }
}

async fn is_public(store: &Store, registry: &Registry) -> bool {
    store.is_public(&repository(registry)).await.unwrap()
}

/// Anybody had its first image; only `alice` has the password that it wants by now.
async fn gone_private(registry: &Registry) -> (Stage, Image) {
    let image = registry.put_image(NAME, "v1", b"anybody's");
    let stage = Plan::new().knows(registry).gives(registry, "alice", "user", "secret").stage();
    let xavier = Asker::of("xavier");
    stage.manifest(&xavier, registry, NAME, "v1").await.unwrap();
    let blob = stage.blob(&xavier, registry, NAME, image.layer).await.unwrap();
    read(blob).await.unwrap();
    assert!(is_public(&stage.store, registry).await);
    registry.require("user", "secret");
    (stage, image)
}

#[tokio::test]
async fn what_is_got_with_credentials_is_nobody_elses() {
    let registry = Registry::start().await;
    let (stage, old) = gone_private(&registry).await;
    let secret = registry.put_image(NAME, "v2", &bytes(200_000, 1));
    let (alice, bob) = (Asker::of("alice"), Asker::inside("bob"));
    let manifest = stage.manifest(&alice, &registry, NAME, "v2").await.unwrap();
    assert_eq!(manifest.origin, Origin::Fetched);
    for digest in [secret.config, secret.layer] {
        let blob = stage.blob(&alice, &registry, NAME, digest).await.unwrap();
        read(blob).await.unwrap();
    }
    assert!(!is_public(&stage.store, &registry).await);
    for inside in [&bob, &Asker::inside("xavier")] {
        for target in ["v2", "v1", &secret.manifest.to_string(), &old.manifest.to_string()] {
            assert_denied(stage.manifest(inside, &registry, NAME, target).await);
        }
        for digest in [secret.config, secret.layer, old.layer] {
            assert_denied(stage.blob(inside, &registry, NAME, digest).await);
        }
    }
    registry.turn_off().await;
    let away = stage.manifest(&Asker::of("bob"), &registry, NAME, "v2").await.unwrap_err();
    assert_eq!(away.status, 502, "{away}");
    let inside = Asker::inside("alice");
    let manifest = stage.manifest(&inside, &registry, NAME, "v2").await.unwrap();
    assert_eq!((manifest.digest, manifest.origin), (secret.manifest, Origin::Stale));
}

#[tokio::test]
async fn the_next_one_who_needs_no_credentials_brings_it_back() {
    let registry = Registry::start().await;
    let (stage, image) = gone_private(&registry).await;
    let (alice, xavier) = (Asker::of("alice"), Asker::of("xavier"));
    // One with credentials, to which they are always sent, is in nobody's way.
    stage.manifest(&alice, &registry, NAME, "v1").await.unwrap();
    registry.publish();
    for _ in 0..2 {
        assert_denied(stage.manifest(&Asker::inside("bob"), &registry, NAME, "v1").await);
        stage.manifest(&xavier, &registry, NAME, "v1").await.unwrap();
        let bob = Asker::inside("bob");
        stage.manifest(&bob, &registry, NAME, "v1").await.unwrap();
        let blob = stage.blob(&bob, &registry, NAME, image.layer).await.unwrap();
        assert_eq!(
            (blob.origin, read(blob).await.unwrap()),
            (Origin::Stale, b"anybody's".to_vec())
        );
        let manifest = stage.manifest(&alice, &registry, NAME, "v1").await.unwrap();
        assert_eq!(manifest.origin, Origin::Confirmed);
    }
}

#[tokio::test]
async fn a_blob_whose_asker_is_gone_is_nobody_elses_either() {
    let registry = Registry::start().await;
    let (stage, _) = gone_private(&registry).await;
    let secret = registry.put_blob(NAME, &bytes(50_000, 1));
    registry.fail(move |request, reply| {
        let delay = Duration::from_millis(300);
        let is_it = request.target.contains(&secret.to_string()) && request.method == "GET";
        is_it.then(|| Reply { delay, ..reply.clone() })
    });
    let alice = Asker::of("alice");
    let asking = stage.blob(&alice, &registry, NAME, secret);
    assert!(tokio::time::timeout(Duration::from_millis(200), asking).await.is_err());
    let stored = async {
        while stage.store.blob(&repository(&registry), secret).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), stored).await.unwrap();
    assert_denied(stage.blob(&Asker::inside("bob"), &registry, NAME, secret).await);
}

#[tokio::test]
async fn what_one_is_told_who_shows_credentials_ends_nobodys_right_but_his() {
    let registry = Registry::start().await;
    let (stage, _) = gone_private(&registry).await;
    let asked = |status| {
        move |request: &crate::upstream::Request, _: &Reply| {
            request.headers.contains_key("authorization").then(|| Reply::status(status))
        }
    };
    let (alice, bob) = (Asker::of("alice"), Asker::inside("bob"));
    for status in [401, 403] {
        registry.fail(asked(status));
        assert_denied(stage.manifest(&alice, &registry, NAME, "v1").await);
        stage.manifest(&bob, &registry, NAME, "v1").await.unwrap();
    }
    // Without any it is what everybody is told.
    registry.fail(|_, _| Some(Reply::status(403)));
    assert_denied(stage.manifest(&Asker::of("xavier"), &registry, NAME, "v1").await);
    assert_denied(stage.manifest(&bob, &registry, NAME, "v1").await);
}

#[tokio::test]
async fn a_digest_of_another_repository_ends_no_publicity() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    registry.put_image("a/app", "v1", b"anybody's");
    let other = registry.put_image("b/app", "v1", &bytes(100_000, 1));
    let alice = Asker::of("alice");
    stage.manifest(&alice, &registry, "a/app", "v1").await.unwrap();
    let blob = stage.blob(&alice, &registry, "b/app", other.layer).await.unwrap();
    read(blob).await.unwrap();
    // It is stored, but never was in the one that is asked.
    let told = stage.blob(&Asker::of("mallory"), &registry, "a/app", other.layer).await.map(drop);
    assert_eq!(told.unwrap_err().code.as_str(), "BLOB_UNKNOWN");
    stage.manifest(&Asker::inside("bob"), &registry, "a/app", "v1").await.unwrap();
}

#[tokio::test]
async fn being_sent_elsewhere_lets_nobody_in() {
    let (registry, elsewhere) = (Registry::start().await, Registry::start().await);
    let mut plan = Plan::new().knows(&registry).knows(&elsewhere);
    plan.config.ages.fresh = Duration::ZERO;
    let stage = plan.gives(&registry, "alice", "user", "secret").stage();
    registry.require("user", "secret");
    let image = registry.put_image(NAME, "v1", &bytes(100_000, 1));
    let (alice, bob) = (Asker::of("alice"), Asker::of("bob"));
    let blob = stage.blob(&alice, &registry, NAME, image.layer).await.unwrap();
    read(blob).await.unwrap();
    // Everybody is sent there, and nobody gets anything: a login, or signatures that are asked for.
    let to = format!("http://{}/v2/login", elsewhere.host());
    registry.fail(move |_, _| Some(Reply::status(307).header("Location", &to)));
    let told = stage.blob(&bob, &registry, NAME, image.layer).await.map(drop);
    assert_eq!(told.unwrap_err().status, 502);
    assert!(!is_public(&stage.store, &registry).await);
    // Where it is there for who asks, the registry has let them in.
    let path = format!("there/blobs/{}", image.layer);
    elsewhere.put(&path, "application/octet-stream", &bytes(100_000, 1));
    let to = format!("http://{}/v2/{path}", elsewhere.host());
    registry.fail(move |_, _| Some(Reply::status(307).header("Location", &to)));
    elsewhere.forget_seen();
    let blob = stage.blob(&Asker::of("carol"), &registry, NAME, image.layer).await.unwrap();
    assert_eq!(blob.origin, Origin::Confirmed);
    assert_eq!(elsewhere.seen()[0].headers["range"], "bytes=0-0");
    assert!(is_public(&stage.store, &registry).await);
}

//! Registries that are off, in trouble, or want to be left alone.

use std::{sync::Arc, time::Duration};

use kiln_registry::record::Origin;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    stage::{Asker, Plan, bytes, read},
    upstream::{Registry, Reply},
};

#[tokio::test]
async fn what_is_stored_stands_in_for_a_registry_that_is_off() {
    let registry = Registry::start().await;
    let mut plan = Plan::new().knows(&registry);
    plan.config.ages.fresh = Duration::ZERO;
    let stage = plan.stage();
    let asker = Asker::of("acme");
    let layer = bytes(100_000, 1);
    let image = registry.put_image("app", "v1", &layer);
    stage.manifest(&asker, &registry, "app", "v1").await.unwrap();
    read(stage.blob(&asker, &registry, "app", image.layer).await.unwrap()).await.unwrap();
    registry.turn_off().await;

    let digest = image.manifest.to_string();
    for target in ["v1", &digest] {
        let manifest = stage.manifest(&asker, &registry, "app", target).await.unwrap();
        assert_eq!((manifest.digest, manifest.origin), (image.manifest, Origin::Stale));
    }
    let blob = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
    assert_eq!(blob.origin, Origin::Stale);
    assert_eq!(read(blob).await.unwrap(), layer);

    let problem = stage.manifest(&asker, &registry, "app", "v2").await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.status), ("SERVICE_UNAVAILABLE", 502));
    let upstream = problem.upstream.unwrap();
    assert_eq!((upstream.host, upstream.status), (registry.host(), None));
    let problem = stage.blob(&asker, &registry, "app", image.config).await.unwrap_err();
    assert_eq!(problem.status, 502);
    assert_eq!(asker.refusals().len(), 2);

    registry.turn_on().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    // It is asked for what nothing stands in for, and then for everything.
    stage.manifest(&asker, &registry, "app", "v2").await.unwrap_err();
    read(stage.blob(&asker, &registry, "app", image.config).await.unwrap()).await.unwrap();
    let manifest = stage.manifest(&asker, &registry, "app", "v1").await.unwrap();
    assert_eq!(manifest.origin, Origin::Confirmed);
}

#[tokio::test]
async fn waiting_is_bounded_and_done_once() {
    let registry = Registry::start().await;
    let mut plan = Plan::new().knows(&registry);
    plan.config.ages.fresh = Duration::ZERO;
    let stage = plan.stage();
    let asker = Asker::of("acme");
    let image = registry.put_image("app", "v1", b"layer");
    stage.manifest(&asker, &registry, "app", "v1").await.unwrap();
    read(stage.blob(&asker, &registry, "app", image.layer).await.unwrap()).await.unwrap();
    // What listens there now takes connections and says nothing.
    registry.turn_off().await;
    let silent = tokio::net::TcpListener::bind(registry.address).await.unwrap();
    let began = Instant::now();
    let manifest = stage.manifest(&asker, &registry, "app", "v1").await.unwrap();
    assert_eq!(manifest.origin, Origin::Stale);
    assert!(began.elapsed() < Duration::from_secs(5));
    let began = Instant::now();
    for _ in 0..20 {
        stage.manifest(&asker, &registry, "app", "v1").await.unwrap();
        let blob = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
        assert_eq!(blob.origin, Origin::Stale);
    }
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for it again and again");
    drop(silent);
}

#[tokio::test]
async fn offline_asks_nobody() {
    let registry = Registry::start().await;
    registry.put_image("app", "v1", b"layer");
    let mut plan = Plan::new().knows(&registry);
    plan.config.is_offline = true;
    let stage = plan.stage();
    let asker = Asker::of("acme");
    let problem = stage.manifest(&asker, &registry, "app", "v1").await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.status), ("SERVICE_UNAVAILABLE", 503));
    assert!(problem.message.contains("offline"), "{problem}");
    assert_eq!(registry.connections(), 0);
    assert_eq!(asker.refusals().len(), 1);
}

#[tokio::test]
async fn a_storm_of_429_reaches_the_registry_a_few_times() {
    let registry = Registry::start().await;
    let image = registry.put_image("app", "v1", b"layer");
    let stage = Arc::new(Plan::new().knows(&registry).stage());
    registry.fail(|_, _| Some(Reply::status(429).header("Retry-After", "30")));
    let registry = Arc::new(registry);
    let mut askers = JoinSet::new();
    for number in 0..100 {
        let (stage, registry) = (Arc::clone(&stage), Arc::clone(&registry));
        askers.spawn(async move {
            let asker = Asker::of("acme");
            // Half of them ask for the same, the others for one each.
            let tag = if number % 2 == 0 { "v1".to_owned() } else { format!("v{number}") };
            let problem = stage.manifest(&asker, &registry, "app", &tag).await.unwrap_err();
            let blob = stage.blob(&asker, &registry, "app", image.layer).await.unwrap_err();
            for problem in [problem, blob] {
                assert_eq!((problem.code.as_str(), problem.status), ("TOOMANYREQUESTS", 429));
                let upstream = problem.upstream.unwrap();
                assert_eq!(upstream.status, Some(429));
                assert!((1..=60).contains(&upstream.retry_after_seconds.unwrap()));
            }
            assert_eq!(asker.refusals().len(), 2);
        });
    }
    let began = Instant::now();
    while let Some(asker) = askers.join_next().await {
        asker.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(20));
    let asked = registry.seen().len();
    assert!(asked <= 60, "200 questions were {asked} requests");
    // And not one more while it lasts.
    let asker = Asker::of("acme");
    stage.manifest(&asker, &registry, "app", "v1").await.unwrap_err();
    assert_eq!(registry.seen().len(), asked);
}

#[tokio::test]
async fn what_is_stored_is_served_through_a_storm() {
    for status in [429, 500, 502, 503] {
        let registry = Registry::start().await;
        let mut plan = Plan::new().knows(&registry);
        plan.config.ages.fresh = Duration::ZERO;
        let stage = plan.stage();
        let asker = Asker::of("acme");
        let image = registry.put_image("app", "v1", b"layer");
        stage.manifest(&asker, &registry, "app", "v1").await.unwrap();
        read(stage.blob(&asker, &registry, "app", image.layer).await.unwrap()).await.unwrap();
        registry.fail(move |_, _| Some(Reply::status(status)));
        registry.forget_seen();
        for _ in 0..20 {
            let manifest = stage.manifest(&asker, &registry, "app", "v1").await.unwrap();
            assert_eq!(manifest.origin, Origin::Stale);
            let blob = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
            assert_eq!(read(blob).await.unwrap(), b"layer");
        }
        assert!(registry.seen().len() <= 4, "{status}: {}", registry.seen().len());
        let problem = stage.manifest(&asker, &registry, "app", "v2").await.unwrap_err();
        assert_eq!(problem.upstream.unwrap().status, Some(status));
    }
}

/// A minute's worth, and what has come since.
fn most(per_minute: usize, began: Instant) -> usize {
    per_minute + usize::try_from(began.elapsed().as_secs()).unwrap() * per_minute / 60 + 1
}

#[tokio::test]
async fn names_carry_so_much_and_no_more() {
    let registry = Registry::start().await;
    let mut plan = Plan::new().knows(&registry);
    plan.config.limits.asks_per_minute = 50;
    plan.config.limits.misses_per_minute = 10;
    let stage = plan.stage();
    let asker = Asker::of("acme");
    let began = Instant::now();
    let (mut unknown, mut too_many) = (0, 0);
    for number in 0..200 {
        let tag = format!("secret-part-{number}");
        let problem = stage.manifest(&asker, &registry, "app", &tag).await.unwrap_err();
        match problem.code.as_str() {
            "MANIFEST_UNKNOWN" => unknown += 1,
            "TOOMANYREQUESTS" => too_many += 1,
            other => panic!("{other}"),
        }
    }
    assert!((10..=most(10, began)).contains(&unknown), "{unknown}");
    assert_eq!(registry.seen().len(), unknown);
    assert_eq!((unknown + too_many, asker.refusals().len()), (200, 200));
    // Others have their own.
    registry.put_image("app", "v1", b"layer");
    stage.manifest(&Asker::of("other"), &registry, "app", "v1").await.unwrap();

    let honest = Asker::of("honest");
    let began = Instant::now();
    let mut served = 0;
    for _ in 0..100 {
        served += usize::from(stage.manifest(&honest, &registry, "app", "v1").await.is_ok());
    }
    assert!((50..=most(50, began)).contains(&served), "{served}");
}

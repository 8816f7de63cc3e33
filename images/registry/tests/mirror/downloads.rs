//! Blobs that are not stored yet: brought once, for all who wait, whatever happens on the way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use kiln_registry::record::Origin;
use tokio::task::JoinSet;

use crate::{
    stage::{Asker, Plan, bytes, read},
    upstream::{Registry, Reply, Request},
};

const SIZE: usize = 2 << 20;

fn is_blob(request: &Request) -> bool {
    request.method == "GET" && request.target.contains("/blobs/")
}

/// Until it holds, or for long enough to be sure that it won't.
async fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    for _ in 0..200 {
        if holds() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_cold_pulls_are_one() {
    let registry = Arc::new(Registry::start().await);
    let stage = Arc::new(Plan::new().knows(&registry).stage());
    let layer = bytes(SIZE, 1);
    let image = registry.put_image("app", "v1", &layer);
    registry.fail(|request, reply| {
        let pace = Duration::from_millis(if is_blob(request) { 5 } else { 0 });
        Some(Reply { delay: Duration::from_millis(300), pace, ..reply.clone() })
    });
    let mut pulls = JoinSet::new();
    for number in 0..100 {
        let (stage, registry, layer) = (Arc::clone(&stage), Arc::clone(&registry), layer.clone());
        pulls.spawn(async move {
            let asker = Asker::of("acme");
            let manifest = stage.manifest(&asker, &registry, "app", "v1").await.unwrap();
            assert_eq!(manifest.digest, image.manifest);
            let start = number * 10_000;
            let blob = if number % 3 == 0 {
                let part = (start, 12_345);
                stage.part(&asker, &registry, "app", image.layer, part).await.unwrap()
            } else {
                stage.blob(&asker, &registry, "app", image.layer).await.unwrap()
            };
            assert_eq!(blob.size, SIZE as u64);
            let came = read(blob).await.unwrap();
            let start = usize::try_from(start).unwrap();
            let expected = if number % 3 == 0 { &layer[start..start + 12_345] } else { &layer[..] };
            assert!(came == expected);
        });
    }
    while let Some(pull) = pulls.join_next().await {
        pull.unwrap();
    }
    assert_eq!(registry.count("GET", "blobs"), 1);
    assert_eq!(registry.count("GET", "manifests"), 1);
    assert!(registry.count("HEAD", "manifests") <= 3, "{}", registry.count("HEAD", "manifests"));
}

#[tokio::test]
async fn a_reader_need_not_wait_for_the_end() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let image = registry.put_image("app", "v1", &bytes(SIZE, 1));
    registry.fail(|request, reply| {
        let pace = Duration::from_millis(if is_blob(request) { 20 } else { 0 });
        Some(Reply { pace, ..reply.clone() })
    });
    let asker = Asker::of("acme");
    let mut blob = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
    let first = blob.chunks.next().await.unwrap().unwrap();
    assert!(!first.is_empty());
    let began = tokio::time::Instant::now();
    assert_eq!(read(blob).await.unwrap().len() + first.len(), SIZE);
    assert!(began.elapsed() > Duration::from_millis(200), "it was not all there at first");
}

#[tokio::test]
async fn a_download_that_dies_goes_on_where_it_was() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let layer = bytes(SIZE, 1);
    let image = registry.put_image("app", "v1", &layer);
    let cuts = AtomicUsize::new(0);
    registry.fail(move |request, reply| {
        let cut_at = (is_blob(request) && cuts.fetch_add(1, Ordering::SeqCst) < 3)
            .then_some(reply.body.len() / 2);
        Some(Reply { cut_at, ..reply.clone() })
    });
    let asker = Asker::of("acme");
    let blob = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
    assert!(read(blob).await.unwrap() == layer);
    let asked: Vec<_> = registry.seen().into_iter().filter(is_blob).collect();
    assert_eq!(asked.len(), 4);
    assert!(asked[1..].iter().all(|one| one.headers.contains_key("range")));
    assert!(asker.refusals().is_empty());
}

#[tokio::test]
async fn a_registry_that_knows_no_ranges_sends_it_again() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let layer = bytes(SIZE, 1);
    let image = registry.put_image("app", "v1", &layer);
    let (cuts, whole) = (AtomicUsize::new(0), layer.clone());
    registry.fail(move |request, reply| {
        if !is_blob(request) {
            return None;
        }
        let cut_at = (cuts.fetch_add(1, Ordering::SeqCst) < 2).then_some(SIZE / 2);
        let headers = reply.headers.iter().filter(|(name, _)| !name.starts_with("Content-"));
        let headers = headers.cloned().collect();
        Some(Reply { status: 200, headers, body: whole.clone(), cut_at, ..Reply::default() })
    });
    let asker = Asker::of("acme");
    let blob = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
    assert!(read(blob).await.unwrap() == layer);
}

#[tokio::test]
async fn dying_again_and_again_ends_and_what_came_is_kept() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let layer = bytes(SIZE, 1);
    let image = registry.put_image("app", "v1", &layer);
    registry.fail(|request, reply| {
        // Something at first, then nothing any more.
        let from = request.headers.contains_key("range");
        let cut_at = is_blob(request).then_some(if from { 0 } else { SIZE / 2 });
        Some(Reply { cut_at, ..reply.clone() })
    });
    let asker = Asker::of("acme");
    let mut blobs = Vec::new();
    for _ in 0..3 {
        blobs.push(stage.blob(&asker, &registry, "app", image.layer).await.unwrap());
    }
    let mut broken = JoinSet::new();
    for blob in blobs {
        broken.spawn(read(blob));
    }
    while let Some(came) = broken.join_next().await {
        assert!(came.unwrap().unwrap_err() <= SIZE / 2);
    }
    let tries = registry.count("GET", "blobs");
    assert!((2..=12).contains(&tries), "{tries}");
    let refusals = asker.refusals();
    assert_eq!(refusals.len(), 3, "each asker's is recorded");
    assert!(refusals.iter().all(|one| one.code == "SERVICE_UNAVAILABLE"), "{refusals:?}");

    registry.heal();
    registry.forget_seen();
    let blob = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
    assert!(read(blob).await.unwrap() == layer);
    let asked: Vec<_> = registry.seen().into_iter().filter(is_blob).collect();
    let range = asked[0].headers.get("range").map(String::as_str);
    assert_eq!(range, Some(format!("bytes={}-", SIZE / 2).as_str()));
}

#[tokio::test]
async fn it_goes_on_while_anybody_waits_and_ends_soon_after() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let layer = bytes(SIZE, 1);
    let image = registry.put_image("app", "v1", &layer);
    registry.fail(|request, reply| {
        let pace = Duration::from_millis(if is_blob(request) { 40 } else { 0 });
        Some(Reply { pace, ..reply.clone() })
    });
    let asker = Asker::of("acme");
    let first = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
    let second = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
    drop(first);
    assert!(read(second).await.unwrap() == layer, "the other one has it all");
    assert_eq!(registry.count("GET", "blobs"), 1);

    let other = registry.put_blob("app", &bytes(4 * SIZE, 2));
    let blob = stage.blob(&asker, &registry, "app", other).await.unwrap();
    drop(blob);
    // Who comes back within the time finds it going on.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let blob = stage.blob(&asker, &registry, "app", other).await.unwrap();
    assert_eq!(registry.count("GET", "blobs"), 2);
    drop(blob);
    tokio::time::sleep(Duration::from_millis(800)).await;
    registry.heal();
    let blob = stage.blob(&asker, &registry, "app", other).await.unwrap();
    assert!(read(blob).await.unwrap() == bytes(4 * SIZE, 2));
    let asked: Vec<_> = registry.seen().into_iter().filter(is_blob).collect();
    assert_eq!(asked.len(), 3, "it was left, and gone on with");
    assert!(asked[2].headers.contains_key("range"));
}

#[tokio::test]
async fn who_is_not_let_in_does_not_read_along() {
    let registry = Registry::start().await;
    registry.require("user", "secret");
    let plan = Plan::new().knows(&registry).gives(&registry, "alice", "user", "secret");
    let stage = plan.gives(&registry, "carol", "user", "secret").stage();
    let layer = bytes(SIZE, 1);
    let image = registry.put_image("team/app", "v1", &layer);
    registry.fail(|request, reply| {
        let pace = Duration::from_millis(if is_blob(request) { 10 } else { 0 });
        Some(Reply { pace, ..reply.clone() })
    });
    let (alice, bob, carol) = (Asker::of("alice"), Asker::of("bob"), Asker::of("carol"));
    let hers = stage.blob(&alice, &registry, "team/app", image.layer).await.unwrap();
    let problem = stage.blob(&bob, &registry, "team/app", image.layer).await.unwrap_err();
    assert_eq!(problem.code.as_str(), "DENIED");
    let other = stage.blob(&carol, &registry, "team/app", image.layer).await.unwrap();
    let (hers, other) = tokio::join!(read(hers), read(other));
    assert!(hers.unwrap() == layer && other.unwrap() == layer);
    let asked = registry.seen();
    let gets = asked.iter().filter(|one| is_blob(one) && one.headers.contains_key("authorization"));
    assert_eq!(gets.count(), 1);
    assert_eq!(bob.refusals().len(), 1);
}

#[tokio::test]
async fn another_repository_reads_along_when_its_registry_says_so() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let layer = bytes(SIZE, 1);
    let image = registry.put_image("a/app", "v1", &layer);
    registry.put_image("b/app", "v1", &layer);
    registry.fail(|request, reply| {
        let pace = Duration::from_millis(if is_blob(request) { 10 } else { 0 });
        Some(Reply { pace, ..reply.clone() })
    });
    let (alice, bob) = (Asker::of("alice"), Asker::of("bob"));
    let first = stage.blob(&alice, &registry, "a/app", image.layer).await.unwrap();
    let second = stage.blob(&bob, &registry, "b/app", image.layer).await.unwrap();
    let (first, second) = tokio::join!(read(first), read(second));
    assert!(first.unwrap() == layer && second.unwrap() == layer);
    assert_eq!(registry.count("GET", "blobs"), 1);
    // It is linked there, too.
    let blob = stage.blob(&Asker::inside("bob"), &registry, "b/app", image.layer).await.unwrap();
    assert_eq!(blob.origin, Origin::Stale);
}

#[tokio::test]
async fn nothing_is_a_blob_too() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let digest = registry.put_blob("app", b"");
    let asker = Asker::of("acme");
    for _ in 0..2 {
        let blob = stage.blob(&asker, &registry, "app", digest).await.unwrap();
        assert_eq!((blob.size, read(blob).await.unwrap().len()), (0, 0));
    }
    assert!(eventually(|| registry.count("GET", "blobs") == 1).await);
}

#[tokio::test]
async fn a_part_lies_within() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let layer = bytes(10_000, 1);
    let image = registry.put_image("app", "v1", &layer);
    let asker = Asker::of("acme");
    for warm in [false, true] {
        let blob = stage.part(&asker, &registry, "app", image.layer, (9_000, 1_000)).await;
        assert_eq!(read(blob.unwrap()).await.unwrap(), &layer[9_000..], "{warm}");
        for part in [(9_000, 1_001), (10_001, 0), (u64::MAX, 2)] {
            let problem = stage.part(&asker, &registry, "app", image.layer, part).await;
            assert_eq!(problem.unwrap_err().status, 416);
        }
    }
}

#[tokio::test]
async fn a_stall_is_an_end() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    let layer = bytes(SIZE, 1);
    let image = registry.put_image("app", "v1", &layer);
    let stalls = AtomicUsize::new(0);
    registry.fail(move |request, reply| {
        let stall_at =
            (is_blob(request) && stalls.fetch_add(1, Ordering::SeqCst) == 0).then_some(SIZE / 3);
        Some(Reply { stall_at, ..reply.clone() })
    });
    let asker = Asker::of("acme");
    let blob = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
    assert!(read(blob).await.unwrap() == layer);
    assert_eq!(registry.count("GET", "blobs"), 2);

    registry.fail(|_, reply| Some(Reply { stall_at: Some(10), ..reply.clone() }));
    let other = registry.put_blob("app", &bytes(5000, 9));
    let began = tokio::time::Instant::now();
    let blob = stage.blob(&asker, &registry, "app", other).await.unwrap();
    assert!(read(blob).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

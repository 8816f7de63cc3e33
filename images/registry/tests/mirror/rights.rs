//! Who may read what: each tenant's right is its registry's to grant.

use std::time::Duration;

use kiln_registry::{caller::Outside, digest::Digest, problem::Problem, record::Origin};

use crate::{
    stage::{Asker, Plan, Stage, broken, bytes, read},
    upstream::{Image, Registry, Reply},
};

/// Of `team/app`, which only `alice` has a password for.
async fn pulled(plan: Plan, registry: &Registry) -> (Stage, Asker, Image) {
    registry.require("user", "secret");
    let image = registry.put_image("team/app", "v1", &bytes(200_000, 1));
    let stage = plan.knows(registry).gives(registry, "alice", "user", "secret").stage();
    let alice = Asker::of("alice");
    stage.manifest(&alice, registry, "team/app", "v1").await.unwrap();
    for digest in [image.config, image.layer] {
        let blob = stage.blob(&alice, registry, "team/app", digest).await.unwrap();
        read(blob).await.unwrap();
    }
    (stage, alice, image)
}

fn assert_denied(result: Result<impl std::fmt::Debug, Problem>) {
    let problem = result.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.status), ("DENIED", 403), "{problem}");
}

#[tokio::test]
async fn another_tenant_does_not_get_what_is_stored() {
    let registry = Registry::start().await;
    let (stage, _, image) = pulled(Plan::new(), &registry).await;
    let bob = Asker::of("bob");
    registry.forget_seen();
    assert_denied(stage.manifest(&bob, &registry, "team/app", "v1").await);
    let digest = image.manifest.to_string();
    assert_denied(stage.manifest(&bob, &registry, "team/app", &digest).await);
    for digest in [image.config, image.layer] {
        assert_denied(stage.blob(&bob, &registry, "team/app", digest).await);
        assert_denied(stage.part(&bob, &registry, "team/app", digest, (0, 1)).await);
    }
    assert_eq!(bob.refusals().len(), 6);
    assert!(bob.refusals()[0].reason.contains("there are none for this tenant"));
    assert!(registry.seen().iter().all(|one| !one.headers.contains_key("authorization")));
    assert!(bob.refusals().iter().all(|one| one.upstream_status == Some(401)));
}

#[tokio::test]
async fn a_digest_is_not_guessed_through_another_repository() {
    let registry = Registry::start().await;
    let (stage, _, image) = pulled(Plan::new(), &registry).await;
    let bob = Asker::of("bob");
    registry.put_image("open/app", "v1", b"anybody's");
    stage.manifest(&bob, &registry, "open/app", "v1").await.unwrap();
    for digest in [image.config, image.layer] {
        let problem = stage.blob(&bob, &registry, "open/app", digest).await.map(drop);
        // The config is the same for all; the registry says that it is there.
        match problem {
            Ok(()) => assert_eq!(digest, image.config),
            Err(problem) => assert_eq!(problem.code.as_str(), "BLOB_UNKNOWN"),
        }
    }
    let manifest = image.manifest.to_string();
    let problem = stage.manifest(&bob, &registry, "open/app", &manifest).await.unwrap_err();
    assert_eq!(problem.code.as_str(), "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_registry_that_only_claims_to_have_it_is_not_believed() {
    let registry = Registry::start().await;
    let liar = Registry::start().await;
    let (stage, _, image) = pulled(Plan::new().knows(&liar), &registry).await;
    let layer = bytes(200_000, 1);
    // What bob has made himself: a registry, and an image that names the digest.
    liar.put_image("bob/app", "v1", &layer);
    let bob = Asker::of("bob");
    stage.manifest(&bob, &liar, "bob/app", "v1").await.unwrap();
    liar.fail(|request, reply| {
        (request.method == "GET" && request.target.contains("blobs"))
            .then(|| Reply { body: vec![0; reply.body.len()], ..reply.clone() })
    });
    let head = kiln_registry::mirror::Extent::Head;
    let blob = stage.extent(&bob, &liar, "bob/app", image.layer, head).await.unwrap();
    assert_eq!(blob.size, 200_000, "what the liar says of itself is passed on");
    for _ in 0..2 {
        assert!(broken(stage.blob(&bob, &liar, "bob/app", image.layer).await).await);
    }
    assert!(bob.refusals().iter().all(|one| one.code == "DIGEST_INVALID"));
    // One that has it is another thing.
    liar.heal();
    let blob = stage.blob(&bob, &liar, "bob/app", image.layer).await.unwrap();
    assert_eq!(blob.origin, Origin::Fetched);
    assert_eq!(read(blob).await.unwrap(), layer);
}

#[tokio::test]
async fn what_one_registry_has_begun_to_send_is_nothing_to_who_reads_another() {
    let registry = Registry::start().await;
    let liar = Registry::start().await;
    registry.require("user", "secret");
    let layer = bytes(400_000, 1);
    let image = registry.put_image("team/app", "v1", &layer);
    liar.put_image("bob/app", "v1", &layer);
    let plan = Plan::new().knows(&registry).knows(&liar);
    let stage = plan.gives(&registry, "alice", "user", "secret").stage();
    let (alice, bob) = (Asker::of("alice"), Asker::of("bob"));
    registry.fail(|_, reply| {
        let cut_at = (reply.body.len() > 100_000).then_some(300_000);
        Some(Reply { cut_at, ..reply.clone() })
    });
    // It breaks off again and again, and leaves a part.
    let blob = stage.blob(&alice, &registry, "team/app", image.layer).await.unwrap();
    let _ = read(blob).await;
    liar.fail(|_, reply| {
        let stall_at = (reply.body.len() > 1000).then_some(0);
        Some(Reply { stall_at, ..reply.clone() })
    });
    if let Ok(blob) = stage.blob(&bob, &liar, "bob/app", image.layer).await {
        assert_eq!(read(blob).await, Err(0));
    }
    assert!(liar.seen().iter().all(|one| !one.headers.contains_key("range")));
}

#[tokio::test]
async fn what_anybody_may_read_is_brought_once() {
    let (first, second) = (Registry::start().await, Registry::start().await);
    let stage = Plan::new().knows(&first).knows(&second).stage();
    let layer = bytes(200_000, 1);
    let image = first.put_image("a/app", "v1", &layer);
    first.put_image("b/app", "v1", &layer);
    second.put_image("c/app", "v1", &layer);
    for (tenant, registry, name, origin) in [
        ("alice", &first, "a/app", Origin::Fetched),
        ("alice", &first, "b/app", Origin::Confirmed),
        ("bob", &second, "c/app", Origin::Confirmed),
    ] {
        let blob = stage.blob(&Asker::of(tenant), registry, name, image.layer).await.unwrap();
        assert_eq!(blob.origin, origin, "{name}");
        assert_eq!(read(blob).await.unwrap(), layer);
    }
    assert_eq!(first.count("GET", "blobs") + second.count("GET", "blobs"), 1);
    assert_eq!((first.count("HEAD", "blobs"), second.count("HEAD", "blobs")), (1, 1));
}

#[tokio::test]
async fn a_right_that_is_not_fresh_is_asked_for_with_the_tenants_own_credentials() {
    let registry = Registry::start().await;
    let mut plan = Plan::new();
    plan.config.ages.fresh = Duration::ZERO;
    let (stage, alice, image) = pulled(plan, &registry).await;
    registry.forget_seen();
    let blob = stage.blob(&alice, &registry, "team/app", image.layer).await.unwrap();
    assert_eq!(blob.origin, Origin::Confirmed);
    let digest = image.manifest.to_string();
    stage.manifest(&alice, &registry, "team/app", &digest).await.unwrap();
    assert_eq!(registry.count("HEAD", "blobs"), 1);
    assert_eq!(registry.count("HEAD", "manifests"), 1);
    assert_eq!(registry.count("GET", "/v2/team"), 0);
    assert_denied(stage.blob(&Asker::of("bob"), &registry, "team/app", image.layer).await);
}

#[tokio::test]
async fn a_refusal_forgets_the_right_and_unlinks_nothing() {
    for status in [401, 403, 404] {
        let registry = Registry::start().await;
        let mut plan = Plan::new();
        plan.config.ages.fresh = Duration::ZERO;
        let (stage, alice, image) = pulled(plan, &registry).await;
        registry.fail(move |_, _| Some(Reply::status(status)));
        stage.blob(&alice, &registry, "team/app", image.layer).await.unwrap_err();
        // Neither is it served to who is let in no more, once the registry is gone.
        registry.turn_off().await;
        let problem = stage.blob(&alice, &registry, "team/app", image.layer).await.unwrap_err();
        assert_eq!((problem.code.as_str(), problem.status), ("SERVICE_UNAVAILABLE", 502));
        let inside = Asker::inside("alice");
        assert_denied(stage.blob(&inside, &registry, "team/app", image.layer).await);
        registry.heal();
        registry.turn_on().await;
        registry.forget_seen();
        let blob = stage.blob(&alice, &registry, "team/app", image.layer).await.unwrap();
        assert_eq!(blob.origin, Origin::Confirmed);
        assert_eq!(registry.count("GET", "blobs"), 0, "it was still there");
    }
}

#[tokio::test]
async fn stored_only_is_what_is_stored_and_may_be_read() {
    let registry = Registry::start().await;
    let (stage, alice, image) = pulled(Plan::new(), &registry).await;
    let open = registry.put_image("open/app", "v1", b"anybody's");
    stage.manifest(&alice, &registry, "open/app", "v1").await.unwrap();
    let (alice, bob) = (Asker::inside("alice"), Asker::inside("bob"));
    let stranger = Asker::of("stranger");
    stage.manifest(&stranger, &registry, "open/app", "v1").await.unwrap();
    let blob = stage.blob(&stranger, &registry, "open/app", open.layer).await.unwrap();
    read(blob).await.unwrap();
    registry.forget_seen();

    let manifest = stage.manifest(&alice, &registry, "team/app", "v1").await.unwrap();
    assert_eq!((manifest.digest, manifest.origin), (image.manifest, Origin::Stale));
    let blob = stage.blob(&alice, &registry, "team/app", image.layer).await.unwrap();
    assert_eq!(blob.origin, Origin::Stale);
    assert_eq!(read(blob).await.unwrap(), bytes(200_000, 1));
    for asker in [&alice, &bob] {
        let manifest = stage.manifest(asker, &registry, "open/app", "v1").await.unwrap();
        assert_eq!(manifest.origin, Origin::Stale);
        let blob = stage.blob(asker, &registry, "open/app", open.layer).await.unwrap();
        assert_eq!(read(blob).await.unwrap(), b"anybody's");
        assert_denied(stage.manifest(asker, &registry, "open/app", "other").await);
        let never = Digest::of(b"never");
        assert_denied(stage.blob(asker, &registry, "open/app", never).await);
        assert_denied(stage.manifest(asker, &registry, "never/asked", "v1").await);
    }
    assert_denied(stage.manifest(&bob, &registry, "team/app", "v1").await);
    assert_denied(stage.blob(&bob, &registry, "team/app", image.layer).await);
    assert_denied(stage.blob(&bob, &registry, "open/app", image.layer).await);
    assert!(registry.seen().is_empty(), "nobody asked the registry");

    // What is private and what was never here is told in the same words.
    let private = stage.manifest(&bob, &registry, "team/app", "v1").await.unwrap_err();
    let absent = stage.manifest(&bob, &registry, "team/abc", "v1").await.unwrap_err();
    assert_eq!(private.message.replace("app", "abc"), absent.message);
}

#[tokio::test]
async fn a_right_grows_old() {
    let registry = Registry::start().await;
    let mut plan = Plan::new();
    plan.config.ages.rights = Duration::from_millis(400);
    plan.config.ages.fresh = Duration::ZERO;
    let (stage, alice, image) = pulled(plan, &registry).await;
    let open = registry.put_image("open/app", "v1", b"anybody's");
    let bob = Asker::of("bob");
    let blob = stage.blob(&bob, &registry, "open/app", open.layer).await.unwrap();
    read(blob).await.unwrap();
    stage.manifest(&alice, &registry, "team/app", "v1").await.unwrap();
    registry.turn_off().await;
    let manifest = stage.manifest(&alice, &registry, "team/app", "v1").await.unwrap();
    assert_eq!(manifest.origin, Origin::Stale);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let problem = stage.manifest(&alice, &registry, "team/app", "v1").await.unwrap_err();
    assert_eq!(problem.code.as_str(), "SERVICE_UNAVAILABLE");
    stage.blob(&alice, &registry, "team/app", image.layer).await.unwrap_err();
    assert_denied(stage.blob(&Asker::inside("alice"), &registry, "team/app", image.layer).await);
    let blob = stage.blob(&bob, &registry, "open/app", open.layer).await.unwrap();
    assert_eq!(blob.origin, Origin::Stale, "what anybody may read has no age");
}

#[tokio::test]
async fn asking_for_what_never_was_ends_no_publicity() {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    registry.put_image("open/app", "v1", b"anybody's");
    let (alice, mallory) = (Asker::of("alice"), Asker::of("mallory"));
    stage.manifest(&alice, &registry, "open/app", "v1").await.unwrap();
    stage.manifest(&mallory, &registry, "open/app", "never-was").await.unwrap_err();
    let bob = Asker::inside("bob");
    stage.manifest(&bob, &registry, "open/app", "v1").await.unwrap();
    // What was there and isn't any more is another thing.
    registry.remove("open/app/manifests/v1");
    stage.manifest(&alice, &registry, "open/app", "v1").await.unwrap_err();
    assert_denied(stage.manifest(&bob, &registry, "open/app", "v1").await);
}

#[tokio::test]
async fn a_policy_that_names_another_registry_names_not_this_one() {
    let registry = Registry::start().await;
    let (stage, _, image) = pulled(Plan::new(), &registry).await;
    registry.forget_seen();
    let outside = Outside::Asked(std::sync::Arc::new(|host| host.as_str() == "registry.example"));
    let alice = Asker::with("alice", outside);
    assert_denied(stage.manifest(&alice, &registry, "team/app", "v1").await);
    assert_denied(stage.blob(&alice, &registry, "team/app", image.layer).await);
    assert!(registry.seen().is_empty());
    assert_eq!(alice.refusals().len(), 2);
}

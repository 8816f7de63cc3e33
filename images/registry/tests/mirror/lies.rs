//! Registries that answer, but not with what was asked for: nothing of it is kept or passed on.

use std::{fmt::Write as _, time::Duration};

use kiln_registry::{digest::Digest, problem::Problem};
use serde_json::json;

use crate::{
    stage::{Asker, Plan, Stage, broken, bytes, read},
    upstream::{MANIFEST, Registry, Reply, Request},
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn is_blob(request: &Request) -> bool {
    request.method == "GET" && request.target.contains("/blobs/")
}

async fn stage() -> (Registry, Stage, Asker) {
    let registry = Registry::start().await;
    let stage = Plan::new().knows(&registry).stage();
    (registry, stage, Asker::of("acme"))
}

fn assert_lie(result: Result<impl std::fmt::Debug, Problem>, code: &str, asker: &Asker) {
    let problem = result.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.status), (code, 502), "{problem}");
    assert!(problem.upstream.is_some());
    assert_eq!(asker.refusals().last().unwrap().code, code);
}

#[tokio::test]
async fn other_bytes_under_a_digest_are_never_whole() {
    let (registry, stage, asker) = stage().await;
    let layer = bytes(500_000, 1);
    let image = registry.put_image("app", "v1", &layer);
    registry.fail(|request, reply| {
        let mut reply = reply.clone();
        if is_blob(request) {
            // The last one.
            let last = reply.body.len() - 1;
            reply.body[last] ^= 1;
        }
        Some(reply)
    });
    for number in 1..=3 {
        assert!(broken(stage.blob(&asker, &registry, "app", image.layer).await).await);
        let part = stage.part(&asker, &registry, "app", image.layer, (0, 1000)).await;
        assert!(broken(part).await);
        assert_eq!(asker.refusals().len(), 2 * number);
    }
    assert!(asker.refusals().iter().all(|one| one.code == "DIGEST_INVALID"));
    assert!(stage.store.anywhere(image.layer).await.unwrap().is_none());
    registry.heal();
    registry.forget_seen();
    let blob = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
    assert!(read(blob).await.unwrap() == layer);
    let asked = registry.seen();
    let asked = asked.iter().find(|one| is_blob(one)).unwrap();
    assert!(!asked.headers.contains_key("range"), "nothing of the others was kept");
}

#[tokio::test]
async fn content_that_changes_in_the_middle_is_found_out() {
    let (registry, stage, asker) = stage().await;
    let layer = bytes(500_000, 1);
    let image = registry.put_image("app", "v1", &layer);
    registry.fail(|request, reply| {
        let mut reply = reply.clone();
        if is_blob(request) && request.headers.contains_key("range") {
            reply.body.fill(0);
        } else if is_blob(request) {
            reply.cut_at = Some(250_000);
        }
        Some(reply)
    });
    assert!(broken(stage.blob(&asker, &registry, "app", image.layer).await).await);
    assert_eq!(asker.refusals().last().unwrap().code, "DIGEST_INVALID");
    registry.heal();
    let blob = stage.blob(&asker, &registry, "app", image.layer).await.unwrap();
    assert!(read(blob).await.unwrap() == layer);
}

#[tokio::test]
async fn a_size_is_what_the_manifest_says() {
    let (registry, stage, asker) = stage().await;
    let layer = bytes(10_000, 1);
    let image = registry.put_image("app", "v1", &layer);
    for (number, size) in [9_999, 10_001, 0, 1_u64 << 30].into_iter().enumerate() {
        let tag = format!("v{number}");
        let lie = String::from_utf8(image.bytes.clone()).unwrap();
        let lie = lie.replace("\"size\":10000", &format!("\"size\":{size}"));
        // Each of another repository: where manifests disagree, none is believed.
        let name = format!("app{number}");
        registry.put_blob(&name, &layer);
        registry.put_manifest(&name, &tag, MANIFEST, lie.as_bytes());
        stage.manifest(&asker, &registry, &name, &tag).await.unwrap();
        let blob = stage.blob(&asker, &registry, &name, image.layer).await;
        assert_lie(blob, "SIZE_INVALID", &asker);
    }
    assert!(stage.store.anywhere(image.layer).await.unwrap().is_none());
}

#[tokio::test]
async fn manifests_are_those_of_their_digests() {
    let (registry, stage, asker) = stage().await;
    let image = registry.put_image("app", "v1", b"layer");
    let by_digest = image.manifest.to_string();
    registry.fail(|request, reply| {
        let mut reply = reply.clone();
        if request.method == "GET" {
            reply.body.push(b' ');
            reply.headers.retain(|(name, _)| name != "Content-Length");
        }
        Some(reply)
    });
    for target in ["v1", &by_digest] {
        let manifest = stage.manifest(&asker, &registry, "app", target).await;
        assert_lie(manifest, "DIGEST_INVALID", &asker);
    }
    // Its HEAD says another one than its GET has.
    let other = Digest::of(b"other").to_string();
    registry.fail(move |request, reply| {
        let mut reply = reply.clone();
        if request.method == "HEAD" {
            reply.headers.retain(|(name, _)| name != "Docker-Content-Digest");
            reply = reply.header("Docker-Content-Digest", &other);
        }
        Some(reply)
    });
    stage.manifest(&asker, &registry, "app", "v1").await.unwrap_err();
    stage.manifest(&Asker::inside("acme"), &registry, "app", "v1").await.unwrap_err();
    registry.heal();
    stage.manifest(&asker, &registry, "app", "v1").await.unwrap();
}

#[tokio::test]
async fn pages_for_people_are_no_content() {
    let (registry, stage, asker) = stage().await;
    let image = registry.put_image("app", "v1", b"layer");
    for media_type in ["text/html; charset=utf-8", MANIFEST, "application/octet-stream"] {
        registry.fail(move |_, _| {
            let body = b"<html><body>Please log in</body></html>".to_vec();
            let reply = Reply { status: 200, body, ..Reply::default() };
            Some(reply.header("Content-Type", media_type))
        });
        stage.manifest(&asker, &registry, "app", "v1").await.unwrap_err();
        let digest = image.manifest.to_string();
        stage.manifest(&asker, &registry, "app", &digest).await.unwrap_err();
        assert!(broken(stage.blob(&asker, &registry, "app", image.layer).await).await);
    }
    assert_eq!(asker.refusals().len(), 9);
    assert!(stage.store.anywhere(image.layer).await.unwrap().is_none());
}

#[tokio::test]
async fn manifests_that_no_one_should_read_are_refused() {
    let (registry, stage, asker) = stage().await;
    let descriptor = |media_type: &str, digest: Digest, size: usize| json!({"mediaType": media_type, "digest": digest.to_string(), "size": size});
    let config = descriptor("application/vnd.oci.image.config.v1+json", Digest::of(b"{}"), 2);
    let layer = |number: usize| {
        let digest = Digest::of(&number.to_le_bytes());
        descriptor("application/vnd.oci.image.layer.v1.tar", digest, 10)
    };
    let image = |layers: usize| {
        let layers: Vec<_> = (0..layers).map(layer).collect();
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
            .to_string()
    };
    let long_sha = format!("sha512:{}", "a".repeat(128));
    let mut deep = String::from("{\"schemaVersion\":2,\"mediaType\":\"");
    write!(deep, "{MANIFEST}\",\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000)).unwrap();
    for (name, media_type, text) in [
        ("many", MANIFEST, image(10_000)),
        ("liar", INDEX, image(1)),
        ("sha512", MANIFEST, image(1).replace(&Digest::of(b"{}").to_string(), &long_sha)),
        ("deep", MANIFEST, deep),
        ("negative", MANIFEST, image(1).replace("\"size\":10", "\"size\":-10")),
        ("twice", MANIFEST, image(1).replacen('{', "{\"schemaVersion\":2,", 1)),
        ("two kinds", MANIFEST, image(1).replacen('{', "{\"manifests\":[],", 1)),
        ("no object", MANIFEST, "[]".to_owned()),
        ("nothing", MANIFEST, String::new()),
        ("schema 1", "application/vnd.docker.distribution.manifest.v1+json", "{}".to_owned()),
    ] {
        let tag = name.replace(' ', "-");
        let digest = registry.put_manifest("app", &tag, media_type, text.as_bytes());
        for target in [tag.clone(), digest.to_string()] {
            let manifest = stage.manifest(&asker, &registry, "app", &target).await;
            assert_lie(manifest, "MANIFEST_INVALID", &asker);
        }
    }
    let inside = Asker::inside("acme");
    stage.manifest(&inside, &registry, "app", "many").await.unwrap_err();
}

#[tokio::test]
async fn a_manifest_of_100_megabytes_is_not_read() {
    let (registry, stage, asker) = stage().await;
    let digest = registry.put_manifest("app", "v1", MANIFEST, b"{}").to_string();
    // It says so at once, or when it is too late.
    for says in [true, false] {
        registry.fail(move |request, reply| {
            let is_head = request.method == "HEAD";
            let mut reply = Reply { pace: Duration::from_millis(1), ..reply.clone() };
            reply.headers.retain(|(name, _)| name != "Content-Length");
            reply.body = vec![b' '; if is_head { 0 } else { 100 << 20 }];
            let length = if says || !is_head { 100 << 20 } else { 100 };
            Some(reply.header("Content-Length", &length.to_string()))
        });
        for target in ["v1", digest.as_str()] {
            let manifest = stage.manifest(&asker, &registry, "app", target).await;
            assert_lie(manifest, "SIZE_INVALID", &asker);
        }
    }
}

#[tokio::test]
async fn an_index_that_leads_back_to_itself_leads_nowhere() {
    let (registry, stage, asker) = stage().await;
    // What a cycle would need: bytes that are not those of the digest they are named by.
    let named = Digest::of(b"the next one");
    let index = |digest: Digest| {
        let entry = json!({"mediaType": INDEX, "digest": digest.to_string(), "size": 200});
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string()
    };
    let first = registry.put_manifest("app", "v1", INDEX, index(named).as_bytes());
    registry.put(&format!("app/manifests/{named}"), INDEX, index(first).as_bytes());
    stage.manifest(&asker, &registry, "app", "v1").await.unwrap();
    let back = stage.manifest(&asker, &registry, "app", &named.to_string()).await;
    assert_lie(back, "DIGEST_INVALID", &asker);
}

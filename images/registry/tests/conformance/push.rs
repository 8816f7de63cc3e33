//! Pushing blobs in one piece, and mounting them.

use hyper::Method;
use kiln_registry::{digest::Digest, registry::Via};

use crate::{content, stage::Stage};

const UPLOADS: &str = "/v2/local/app/blobs/uploads/";

#[tokio::test]
async fn a_post_and_a_put() {
    let stage = Stage::new().await;
    let bytes = content::blob(1, 512);
    let digest = Digest::of(&bytes);
    let begun = stage.client.post(UPLOADS).await.has(202);
    assert_eq!(begun.header("range"), "0-0");
    let close = format!("{}?digest={}", begun.location(), digest.to_string().replace(':', "%3A"));
    let put = stage.client.ask(Method::PUT, &close).body(bytes.clone()).send().await.has(201);
    assert_eq!(put.header("docker-content-digest"), digest.to_string());
    assert_eq!(stage.client.get(put.location()).await.has(200).body, bytes);
    // The session is over.
    stage.client.get(begun.location()).await.fails(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn what_has_another_digest_is_refused() {
    let stage = Stage::new().await;
    let digest = Digest::of(b"expected");
    let whole = format!("{UPLOADS}?digest={digest}");
    let posted = stage.client.ask(Method::POST, &whole).body("something else").send().await;
    posted.fails(400, "DIGEST_INVALID");
    let begun = stage.client.post(UPLOADS).await.has(202);
    let close = format!("{}?digest={digest}", begun.location());
    let put = stage.client.ask(Method::PUT, &close).body("something else").send().await;
    put.fails(400, "DIGEST_INVALID");
    for blob in [digest, Digest::of(b"something else")] {
        stage.client.get(&format!("/v2/local/app/blobs/{blob}")).await.has(404);
    }
    let begun = stage.client.post(UPLOADS).await.has(202);
    for query in ["", "?digest=", "?digest=md5:00"] {
        let put = stage.client.ask(Method::PUT, &format!("{}{query}", begun.location()));
        put.send().await.fails(400, "DIGEST_INVALID");
    }
}

#[tokio::test]
async fn sha512_is_refused_in_words() {
    let stage = Stage::new().await;
    let digest = format!("sha512:{}", "a".repeat(128));
    let begun = stage.client.post(UPLOADS).await.has(202);
    let post = |target: String| stage.client.ask(Method::POST, &target).body("x").send();
    let put = |target: String| stage.client.ask(Method::PUT, &target).body("x").send();
    for reply in [
        post(format!("{UPLOADS}?digest={digest}")).await,
        post(format!("{UPLOADS}?mount={digest}&from=local/b")).await,
        post(format!("{UPLOADS}?digest-algorithm=sha512")).await,
        put(format!("{}?digest={digest}", begun.location())).await,
        put(format!("/v2/local/app/manifests/{digest}")).await,
        stage.client.get(&format!("/v2/local/app/manifests/{digest}")).await,
        stage.client.get(&format!("/v2/local/app/blobs/{digest}")).await,
        stage.client.get(&format!("/v2/local/app/referrers/{digest}")).await,
        stage.client.delete(&format!("/v2/local/app/blobs/{digest}")).await,
    ] {
        let reply = reply.fails(400, "UNSUPPORTED");
        assert!(reply.reason.contains("sha256"), "{reply:?}");
    }
}

#[tokio::test]
async fn a_blob_is_mounted_from_where_the_tenant_has_it() {
    let stage = Stage::new().await;
    let bytes = content::blob(1, 512);
    let digest = stage.push_blob("local/from", &bytes).await;
    let target = format!("{UPLOADS}?mount={digest}&from=local%2Ffrom");
    let mounted = stage.client.post(&target).await.has(201);
    assert_eq!(mounted.location(), format!("/v2/local/app/blobs/{digest}"));
    assert_eq!(stage.client.get(mounted.location()).await.has(200).body, bytes);
    // It stays when it goes there.
    stage.client.delete(&format!("/v2/local/from/blobs/{digest}")).await.has(202);
    stage.client.get(mounted.location()).await.has(200);
}

#[tokio::test]
async fn what_can_not_be_mounted_is_uploaded() {
    let stage = Stage::new().await;
    let other = stage.stranger(Via::Loopback).await;
    let bytes = content::blob(1, 512);
    let digest = stage.push_blob("local/from", &bytes).await;
    let missing = Digest::of(b"never pushed");
    for query in [
        format!("mount={missing}&from=local/from"),
        format!("mount={missing}"),
        format!("mount={digest}"),
        format!("mount={digest}&from=local/other"),
        format!("mount={digest}&from=from"),
        format!("mount={digest}&from=docker.io/library/debian"),
        format!("mount={digest}&from=local/../from"),
    ] {
        let begun = stage.client.post(&format!("{UPLOADS}?{query}")).await.has(202);
        assert!(begun.location().starts_with(UPLOADS), "{begun:?}");
        stage.client.get(&format!("/v2/local/app/blobs/{digest}")).await.has(404);
    }
    // Another tenant's repository of that name is another repository.
    let target = format!("{UPLOADS}?mount={digest}&from=local/from");
    let begun = other.post(&target).await.has(202);
    let close = format!("{}?digest={digest}", begun.location());
    other.ask(Method::PUT, &close).body(bytes).send().await.has(201);
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_another() {
    let stage = Stage::new().await;
    let (digest, _) = stage.push_image("local/app", "v1", 1).await;
    let blob = stage.push_blob("local/app", b"blob").await;
    let begun = stage.client.post(UPLOADS).await.has(202);
    for via in [Via::Loopback, Via::Guest] {
        let other = stage.stranger(via).await;
        for target in [
            "/v2/local/app/manifests/v1".to_owned(),
            format!("/v2/local/app/manifests/{digest}"),
            format!("/v2/local/app/blobs/{blob}"),
            "/v2/local/app/tags/list".to_owned(),
            begun.location().to_owned(),
        ] {
            other.get(&target).await.has(404);
            other.delete(&target).await;
        }
        let patch = other.ask(Method::PATCH, begun.location()).body("x").send().await;
        patch.fails(404, "BLOB_UPLOAD_UNKNOWN");
        let referrers = other.get(&format!("/v2/local/app/referrers/{digest}")).await.has(200);
        assert_eq!(referrers.json()["manifests"], serde_json::json!([]));
    }
    // A guest of the same tenant does.
    let guest = stage.guest().await;
    guest.get("/v2/local/app/manifests/v1").await.has(200);
    stage.client.get(begun.location()).await.has(204);
}

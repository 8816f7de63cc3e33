//! Deleting.

use hyper::Method;

use crate::{content, stage::Stage};

#[tokio::test]
async fn a_tag_is_deleted_alone() {
    let stage = Stage::new().await;
    let (digest, image) = stage.push_image("local/app", "v1", 1).await;
    stage.put("local/app", "v2", &image).await.has(201);
    stage.client.delete("/v2/local/app/manifests/v1").await.has(202);
    stage.client.head("/v2/local/app/manifests/v1").await.has(404);
    stage.client.get("/v2/local/app/manifests/v2").await.has(200);
    stage.client.get(&format!("/v2/local/app/manifests/{digest}")).await.has(200);
    let tags = stage.client.get("/v2/local/app/tags/list").await.has(200);
    assert_eq!(tags.json()["tags"], serde_json::json!(["v2"]));
    let again = stage.client.delete("/v2/local/app/manifests/v1").await;
    again.fails(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_manifest_goes_with_its_tags() {
    let stage = Stage::new().await;
    let (digest, _) = stage.push_image("local/app", "v1", 1).await;
    let target = format!("/v2/local/app/manifests/{digest}");
    stage.client.delete(&target).await.has(202);
    for target in [target.as_str(), "/v2/local/app/manifests/v1"] {
        stage.client.get(target).await.fails(404, "MANIFEST_UNKNOWN");
        stage.client.delete(target).await.fails(404, "MANIFEST_UNKNOWN");
    }
}

#[tokio::test]
async fn a_blob_is_gone_at_once() {
    let stage = Stage::new().await;
    let digest = stage.push_blob("local/app", &content::blob(1, 512)).await;
    let target = format!("/v2/local/app/blobs/{digest}");
    stage.client.delete(&target).await.has(202);
    stage.client.head(&target).await.has(404);
    stage.client.delete(&target).await.fails(404, "BLOB_UNKNOWN");
    stage.push_blob("local/app", &content::blob(1, 512)).await;
    stage.client.get(&target).await.has(200);
}

#[tokio::test]
async fn only_known_methods_mean_something() {
    let stage = Stage::new().await;
    let (digest, _) = stage.push_image("local/app", "v1", 1).await;
    for (method, target) in [
        (Method::POST, "/v2/local/app/manifests/v1".to_owned()),
        (Method::PATCH, "/v2/local/app/manifests/v1".to_owned()),
        (Method::PUT, format!("/v2/local/app/blobs/{digest}")),
        (Method::OPTIONS, "/v2/".to_owned()),
        (Method::DELETE, "/v2/local/app/tags/list".to_owned()),
        (Method::DELETE, format!("/v2/local/app/referrers/{digest}")),
        (Method::GET, "/v2/local/app/blobs/uploads/".to_owned()),
        (Method::DELETE, "/v2/_catalog".to_owned()),
    ] {
        let reply = stage.client.ask(method.clone(), &target).send().await;
        assert_eq!(reply.status, 405, "{method} {target}");
    }
}

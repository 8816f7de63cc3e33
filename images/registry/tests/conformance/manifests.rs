//! Pushing manifests of every kind.

use hyper::Method;
use kiln_registry::digest::Digest;
use serde_json::{Value, json};

use crate::{content, stage::Stage};

/// Pushed by digest and by tag, it is what was pushed.
async fn check(stage: &Stage, manifest: &Value) -> Digest {
    let bytes = content::bytes(manifest);
    let digest = Digest::of(&bytes);
    let media_type = manifest["mediaType"].as_str().unwrap_or(content::IMAGE);
    for reference in [digest.to_string().as_str(), "tag"] {
        let put = stage.put("local/app", reference, manifest).await.has(201);
        assert_eq!(put.header("docker-content-digest"), digest.to_string());
        assert_eq!(put.location(), format!("/v2/local/app/manifests/{digest}"));
        let subject = manifest["subject"]["digest"].as_str().unwrap_or_default();
        assert_eq!(put.header("oci-subject"), subject);
        for target in [put.location(), &format!("/v2/local/app/manifests/{reference}")] {
            let got = stage.client.get(target).await.has(200);
            assert_eq!(got.body, bytes);
            assert_eq!(got.header("content-type"), media_type);
        }
    }
    digest
}

async fn blobs(stage: &Stage) -> (Vec<u8>, Vec<u8>) {
    let (config, layer) = (content::blob(1, 64), content::blob(2, 256));
    stage.push_blob("local/app", &config).await;
    stage.push_blob("local/app", &layer).await;
    stage.push_blob("local/app", b"{}").await;
    (config, layer)
}

fn artifact(kind: &str) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": content::IMAGE, "artifactType": kind,
        "config": content::descriptor(content::EMPTY, b"{}"),
        "layers": [content::descriptor(content::EMPTY, b"{}")],
    })
}

#[tokio::test]
async fn images_artifacts_and_indexes() {
    let stage = Stage::new().await;
    let (config, layer) = blobs(&stage).await;
    let image = content::image(&config, &[&layer]);
    let of = |value: &Value, kind| content::descriptor(kind, &content::bytes(value));
    check(&stage, &image).await;
    check(&stage, &content::image(&config, &[])).await;
    check(&stage, &artifact("application/vnd.example.v1+json")).await;
    let index = content::index(&[of(&image, content::IMAGE)]);
    check(&stage, &index).await;
    check(&stage, &content::index(&[of(&index, content::INDEX)])).await;
    check(&stage, &content::index(&[])).await;
    let mut artifact_index = content::index(&[]);
    artifact_index["artifactType"] = json!("application/vnd.example.v1+json");
    check(&stage, &artifact_index).await;
}

#[tokio::test]
async fn what_the_registry_does_not_understand_is_kept() {
    let stage = Stage::new().await;
    let (config, layer) = blobs(&stage).await;
    let mut image = content::image(&config, &[&layer]);
    image["org.example.unknown"] = json!({"deep": [1, 2.5, null]});
    image["config"]["newUnspecifiedField"] = json!("aGVsbG8gd29ybGQ=");
    image["layers"][0]["data"] = json!("e30=");
    check(&stage, &image).await;

    let mut foreign = content::image(&config, &[&layer, b"never pushed"]);
    foreign["layers"][1]["mediaType"] =
        json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
    foreign["layers"][1]["urls"] = json!(["https://registry.example/layer"]);
    check(&stage, &foreign).await;

    let mut bare = content::image(&config, &[]);
    bare.as_object_mut().unwrap().remove("mediaType");
    check(&stage, &bare).await;
}

#[tokio::test]
async fn four_megabytes_are_accepted_and_no_more() {
    let stage = Stage::new().await;
    let (config, layer) = blobs(&stage).await;
    let mut image = content::image(&config, &[&layer]);
    let annotations: serde_json::Map<_, _> =
        (0..390).map(|at| (format!("org.example.{at}"), json!("a".repeat(10_000)))).collect();
    image["annotations"] = Value::Object(annotations);
    check(&stage, &image).await;

    let large = vec![b' '; (4 << 20) + 1];
    let put = stage.put_bytes("local/app", "large", content::IMAGE, large).await;
    put.fails(413, "SIZE_INVALID");
}

#[tokio::test]
async fn a_digest_has_to_be_the_contents() {
    let stage = Stage::new().await;
    let (config, layer) = blobs(&stage).await;
    let mut bytes = content::bytes(&content::image(&config, &[&layer]));
    let digest = Digest::of(&bytes).to_string();
    bytes.extend(b"  ");
    let put = stage.put_bytes("local/app", &digest, content::IMAGE, bytes.clone()).await;
    put.fails(400, "DIGEST_INVALID");
    let put = stage.put_bytes("local/app", "sha256:baddigeststring", content::IMAGE, bytes).await;
    put.fails(400, "DIGEST_INVALID");
    stage.client.get("/v2/local/app/manifests/sha256:baddigeststring").await.has(400);
    stage.client.get(&format!("/v2/local/app/manifests/{digest}")).await.has(404);
}

#[tokio::test]
async fn what_it_names_has_to_be_there() {
    let stage = Stage::new().await;
    let (config, layer) = blobs(&stage).await;
    let missing = Digest::of(b"never pushed").to_string();
    let image = content::image(&config, &[&layer, b"never pushed"]);
    let put = stage.put("local/app", "v1", &image).await;
    let put = put.fails(400, "MANIFEST_BLOB_UNKNOWN");
    assert!(put.reason.contains(&missing), "{put:?}");
    let index = content::index(&[content::descriptor(content::IMAGE, b"never pushed")]);
    stage.put("local/app", "v1", &index).await.fails(400, "MANIFEST_BLOB_UNKNOWN");
    stage.client.get("/v2/local/app/manifests/v1").await.has(404);
    // In another repository it is not there.
    let image = content::image(&config, &[&layer]);
    stage.put("local/other", "v1", &image).await.fails(400, "MANIFEST_BLOB_UNKNOWN");
}

#[tokio::test]
async fn a_subject_need_not_be_there() {
    let stage = Stage::new().await;
    blobs(&stage).await;
    let mut manifest = artifact("application/vnd.example.v1+json");
    manifest["subject"] = content::descriptor(content::IMAGE, b"never pushed");
    check(&stage, &manifest).await;
    let mut index = content::index(&[]);
    index["subject"] = content::descriptor(content::IMAGE, b"never pushed");
    check(&stage, &index).await;
}

#[tokio::test]
async fn a_tag_means_what_it_was_put_to_last() {
    let stage = Stage::new().await;
    let (first, image) = stage.push_image("local/app", "v1", 1).await;
    let (second, _) = stage.push_image("local/app", "v1", 10).await;
    let got = stage.client.get("/v2/local/app/manifests/v1").await.has(200);
    assert_eq!(got.header("docker-content-digest"), second.to_string());
    stage.client.get(&format!("/v2/local/app/manifests/{first}")).await.has(200);
    stage.put("local/app", "v1", &image).await.has(201);
    let got = stage.client.get("/v2/local/app/manifests/v1").await.has(200);
    assert_eq!(got.header("docker-content-digest"), first.to_string());
}

#[tokio::test]
async fn tags_come_with_a_digest() {
    let stage = Stage::new().await;
    let (config, layer) = blobs(&stage).await;
    let bytes = content::bytes(&content::image(&config, &[&layer]));
    let digest = Digest::of(&bytes).to_string();
    let put = async |query: &str| {
        let reference = format!("{digest}?{query}");
        stage.put_bytes("local/app", &reference, content::IMAGE, bytes.clone()).await
    };
    let both = put("tag=a&tag=b").await.has(201);
    assert_eq!(both.header("oci-tag"), "a, b");
    for tag in ["a", "b"] {
        let got = stage.client.get(&format!("/v2/local/app/manifests/{tag}")).await.has(200);
        assert_eq!(got.header("docker-content-digest"), digest);
    }
    put("tag=.a").await.fails(400, "NAME_INVALID");
    put(&"tag=a&".repeat(11)).await.fails(414, "UNSUPPORTED");
}

#[tokio::test]
async fn two_pushes_of_one_tag_end_with_one_of_them() {
    let stage = Stage::new().await;
    let (config, layer) = blobs(&stage).await;
    let of = |at: usize| {
        let mut image = content::image(&config, &[&layer]);
        image["annotations"] = json!({"org.example.at": at.to_string()});
        content::bytes(&image)
    };
    let mut pushes = tokio::task::JoinSet::new();
    for at in 0..16 {
        let put = stage.client.ask(Method::PUT, "/v2/local/app/manifests/v1");
        let put = put.header("content-type", content::IMAGE).body(of(at)).send();
        pushes.spawn(async move { put.await.has(201) });
    }
    pushes.join_all().await;
    let got = stage.client.get("/v2/local/app/manifests/v1").await.has(200);
    assert!((0..16).any(|at| got.body == of(at)));
    for at in 0..16 {
        let digest = Digest::of(&of(at));
        stage.client.get(&format!("/v2/local/app/manifests/{digest}")).await.has(200);
    }
}

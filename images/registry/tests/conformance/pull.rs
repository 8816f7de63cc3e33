//! Pulling what is here.

use kiln_registry::digest::Digest;

use crate::{content, stage::Stage};

#[tokio::test]
async fn the_api_is_there() {
    let stage = Stage::new().await;
    for target in ["/v2/", "/v2"] {
        let ping = stage.client.get(target).await.has(200);
        assert_eq!(ping.header("docker-distribution-api-version"), "registry/2.0");
        assert_eq!(ping.json(), serde_json::json!({}));
    }
    stage.client.get("/").await.fails(404, "UNSUPPORTED");
    stage.client.post("/v2/").await.fails(405, "UNSUPPORTED");
}

#[tokio::test]
async fn blobs_are_read() {
    let stage = Stage::new().await;
    for bytes in [content::blob(1, 512), b"{}".to_vec(), Vec::new(), content::blob(2, 3 << 20)] {
        let digest = stage.push_blob("local/a/b", &bytes).await;
        let target = format!("/v2/local/a/b/blobs/{digest}");
        let head = stage.client.head(&target).await.has(200);
        let get = stage.client.get(&target).await.has(200);
        for reply in [&head, &get] {
            assert_eq!(reply.header("content-length"), bytes.len().to_string());
            assert_eq!(reply.header("docker-content-digest"), digest.to_string());
            assert_eq!(reply.header("accept-ranges"), "bytes");
            assert!(!reply.headers.contains_key("transfer-encoding"));
        }
        assert!(head.body.is_empty());
        assert_eq!(get.body, bytes);
    }
}

#[tokio::test]
async fn manifests_are_read_by_tag_and_by_digest() {
    let stage = Stage::new().await;
    let (digest, image) = stage.push_image("local/app", "v1", 1).await;
    let bytes = content::bytes(&image);
    for reference in ["v1".to_owned(), digest.to_string(), digest.to_string().replace(':', "%3A")] {
        let target = format!("/v2/local/app/manifests/{reference}");
        let head = stage.client.head(&target).await.has(200);
        let get = stage.client.get(&target).await.has(200);
        for reply in [&head, &get] {
            assert_eq!(reply.header("content-type"), content::IMAGE);
            assert_eq!(reply.header("content-length"), bytes.len().to_string());
            assert_eq!(reply.header("docker-content-digest"), digest.to_string());
        }
        assert!(head.body.is_empty());
        assert_eq!(get.body, bytes);
    }
}

#[tokio::test]
async fn a_connection_serves_many() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let stage = Stage::new().await;
    let mut stream = tokio::net::TcpStream::connect(stage.client.address).await.unwrap();
    let requests = "GET /v2/ HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(3)
        + "GET /v2/local/a/manifests/v1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(requests.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 404 local/a:v1 is not here").count(), 1, "{answers}");
}

#[tokio::test]
async fn what_is_not_here_is_told() {
    let stage = Stage::new().await;
    stage.push_image("local/app", "v1", 1).await;
    let other = Digest::of(b"hello world");
    for name in ["local/app", "local/none"] {
        let blob = format!("/v2/{name}/blobs/{other}");
        stage.client.get(&blob).await.fails(404, "BLOB_UNKNOWN");
        stage.client.head(&blob).await.fails(404, "");
        for reference in [other.to_string().as_str(), "missing", ".INVALID_MANIFEST_NAME"] {
            let manifest = format!("/v2/{name}/manifests/{reference}");
            stage.client.get(&manifest).await.fails(404, "MANIFEST_UNKNOWN");
            stage.client.head(&manifest).await.fails(404, "");
        }
    }
    let wrong = "/v2/local/app/manifests/sha256:totallywrong";
    let get = stage.client.ask(hyper::Method::GET, wrong).header("content-type", content::IMAGE);
    get.body("blablabla").send().await.fails(400, "DIGEST_INVALID");
    stage.client.get("/v2/local/app/blobs/nonsense").await.fails(400, "DIGEST_INVALID");
}

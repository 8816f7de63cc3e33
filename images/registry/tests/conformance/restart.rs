//! What a client began with one kilnd, it goes on with another.

use std::{path::Path, sync::Arc, time::Duration};

use hyper::Method;
use kiln_registry::{
    digest::Digest,
    registry::{Registry, Via},
    store::{Limits, Store},
};

use crate::{
    client::Client,
    content,
    stage::{Mirrored, Told, caller, listen},
};

/// A registry over what is in the directory, as long as the work takes.
fn during<F: Future<Output = T>, T>(directory: &Path, work: impl FnOnce(Client) -> F) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let done = runtime.block_on(async {
        let store = Store::open(directory, Limits::default()).unwrap();
        let registry = Registry::new(store, Arc::new(Mirrored(Arc::default())));
        let told = Arc::new(Told::default());
        work(listen(&registry, caller("local", &told), Via::Loopback).await).await
    });
    runtime.shutdown_timeout(Duration::from_secs(10));
    done
}

#[test]
fn uploads_images_and_lists_survive() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = content::blob(1, 3000);
    let begun = during(directory.path(), async |client| {
        let begun = client.post("/v2/local/app/blobs/uploads/").await.has(202);
        let patch = client.ask(Method::PATCH, begun.location());
        patch.header("content-range", "0-999").body(bytes[..1000].to_vec()).send().await.has(202);
        begun.location().to_owned()
    });
    let blob = during(directory.path(), async |client| {
        let status = client.get(&begun).await.has(204);
        assert_eq!(status.header("range"), "0-999");
        let patch = client.ask(Method::PATCH, status.location());
        patch.header("content-range", "0-999").body(bytes[..1000].to_vec()).send().await.has(416);
        let patch = client.ask(Method::PATCH, status.location());
        patch.header("content-range", "1000-1999").body(bytes[1000..2000].to_vec()).send().await
    });
    let location = blob.has(202).location().to_owned();
    let manifest = during(directory.path(), async |client| {
        let close = format!("{location}?digest={}", Digest::of(&bytes));
        let put = client.ask(Method::PUT, &close).header("content-range", "2000-2999");
        let put = put.body(bytes[2000..].to_vec()).send().await.has(201);
        assert_eq!(client.get(put.location()).await.has(200).body, bytes);
        let image = content::bytes(&content::image(&bytes, &[&bytes]));
        let put = client.ask(Method::PUT, "/v2/local/app/manifests/v1");
        put.header("content-type", content::IMAGE).body(image.clone()).send().await.has(201);
        image
    });
    during(directory.path(), async |client| {
        let got = client.get("/v2/local/app/manifests/v1").await.has(200);
        assert_eq!(got.body, manifest);
        let tags = client.get("/v2/local/app/tags/list").await.has(200);
        assert_eq!(tags.json()["tags"], serde_json::json!(["v1"]));
        client.get(&begun).await.fails(404, "BLOB_UPLOAD_UNKNOWN");
    });
}

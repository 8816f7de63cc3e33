//! The service on a real socket, over a real store.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use kiln_proto::v1::{
    self, image_service_client::ImageServiceClient, image_service_server::ImageServiceServer,
    import_image_request::Event,
};
use kiln_registry::digest::Digest;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::{StreamExt as _, wrappers::UnixListenerStream};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint, Server, Uri},
};

use crate::{
    api::ImageApi,
    config::RegistryConfig,
    registry::{Registryless, Service, ServiceParts},
};

const OCI: &str = "application/vnd.oci.image";

struct Images {
    client: ImageServiceClient<Channel>,
    home: TempDir,
}

impl Images {
    async fn serve() -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = RegistryConfig {
            registries: kiln_registry::registries::Registries::default(),
            registries_file: None,
            mirrors: vec!["docker.io".parse().unwrap()],
            offline: false,
            listen: None,
            quota_bytes: Some(1 << 20),
            mirrored_bytes: Some(1 << 20),
            rights_age: Duration::from_secs(60),
        };
        let directory = home.path().join("registry");
        std::fs::create_dir(&directory).unwrap();
        let parts = ServiceParts { directory, config: &config, network: None, address: None };
        let service = Service::open(parts).await.unwrap();
        Self::serve_with(home, Ok(Arc::new(service))).await
    }

    async fn serve_with(home: TempDir, service: Result<Arc<Service>, Registryless>) -> Self {
        let socket = home.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = Server::builder().add_service(ImageServiceServer::new(ImageApi::new(service)));
        tokio::spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
        let connect = tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://kilnd");
        let channel = endpoint.connect_with_connector(connect).await.unwrap();
        Self { client: ImageServiceClient::new(channel), home }
    }

    fn client(&self) -> ImageServiceClient<Channel> {
        self.client.clone()
    }

    async fn import(&self, target: &str, tar: &[u8]) -> Result<Vec<v1::Image>, Status> {
        let start = Event::Start(v1::ImportStart { target: target.to_owned() });
        let data = tar.chunks(1000).map(|part| Event::Data(Bytes::copy_from_slice(part)));
        self.send(std::iter::once(start).chain(data).collect()).await
    }

    async fn send(&self, events: Vec<Event>) -> Result<Vec<v1::Image>, Status> {
        let requests =
            events.into_iter().map(|event| v1::ImportImageRequest { event: Some(event) });
        let answer = self.client().import_image(tokio_stream::iter(requests)).await?;
        Ok(answer.into_inner().images)
    }

    async fn get(&self, reference: &str) -> Result<v1::GetImageResponse, Status> {
        let request = v1::GetImageRequest { reference: reference.to_owned() };
        Ok(self.client().get_image(request).await?.into_inner())
    }

    async fn names(&self) -> Vec<String> {
        let (mut names, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = v1::ListImagesRequest { page_size: 1, page_token, ..Default::default() };
            let page = self.client().list_images(request).await.unwrap().into_inner();
            assert!(page.images.len() <= 1);
            names.extend(page.images.iter().map(|image| format!("{}:{}", image.name, image.tag)));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return names;
            }
        }
    }

    async fn export(&self, reference: &str) -> Result<Vec<u8>, Status> {
        let reference = reference.to_owned();
        let request = v1::ExportImageRequest { reference, platform: String::new() };
        let mut answers = self.client().export_image(request).await?.into_inner();
        let mut tar = Vec::new();
        while let Some(answer) = answers.next().await {
            tar.extend_from_slice(&answer?.data);
        }
        Ok(tar)
    }
}

/// An OCI layout of an image with one layer, and the digest of its manifest.
fn layout(layer: &[u8]) -> (Vec<u8>, String) {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes).unwrap();
    };
    let mut blob = |kind: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        add(&format!("blobs/sha256/{}", digest.hex()), bytes);
        json!({"mediaType": format!("{OCI}.{kind}"), "digest": digest, "size": bytes.len()})
    };
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(layer)]},
    });
    let config = blob("config.v1+json", config.to_string().as_bytes());
    let layer = blob("layer.v1.tar", layer);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": format!("{OCI}.manifest.v1+json"),
        "config": config, "layers": [layer],
    });
    let manifest = blob("manifest.v1+json", manifest.to_string().as_bytes());
    let digest = manifest["digest"].as_str().unwrap().to_owned();
    let index = json!({
        "schemaVersion": 2, "mediaType": format!("{OCI}.index.v1+json"), "manifests": [manifest],
    });
    add("index.json", index.to_string().as_bytes());
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    (tar.into_inner().unwrap(), digest)
}

#[tokio::test]
async fn an_image_comes_is_looked_at_named_and_goes() {
    let images = Images::serve().await;
    let (tar, digest) = layout(b"a layer");
    let imported = images.import("local/app:1", &tar).await.unwrap();
    assert_eq!(imported.len(), 1);
    assert_eq!((&imported[0].digest, imported[0].incomplete), (&digest, false));
    let found = images.get("local/app:1").await.unwrap();
    assert_eq!(Digest::of(&found.manifest).to_string(), digest);
    assert_eq!(found.image.as_ref(), imported.first());
    assert_eq!(found.image.unwrap().platforms, ["linux/amd64"]);
    assert!(found.config.starts_with(b"{") && found.parts.iter().all(|part| part.stored));
    let tag = v1::TagImageRequest {
        source: "local/app:1".to_owned(),
        target: "local/other:2".to_owned(),
    };
    let tagged = images.client().tag_image(tag).await.unwrap().into_inner().image.unwrap();
    assert_eq!((tagged.name.as_str(), &tagged.digest), ("local/other", &digest));
    assert_eq!(images.names().await, ["local/app:1", "local/other:2"]);
    let exported = images.export("local/other:2").await.unwrap();
    let again = images.import("local/again:3", &exported).await.unwrap();
    assert_eq!(again[0].digest, digest);
    for (reference, left) in [("local/app:1", 2), ("local/other:2", 1), ("local/again:3", 0)] {
        let request = v1::RemoveImageRequest { reference: reference.to_owned() };
        let removed = images.client().remove_image(request.clone()).await.unwrap().into_inner();
        assert_eq!(removed.removed, [reference]);
        assert_eq!(images.names().await.len(), left);
        let gone = images.client().remove_image(request).await.unwrap_err();
        assert_eq!(gone.code(), Code::NotFound);
    }
    assert_eq!(images.get("local/app:1").await.unwrap_err().code(), Code::NotFound);
    let pruned = images.client().prune_images(v1::PruneImagesRequest { mirrored: false }).await;
    let pruned = pruned.unwrap().into_inner();
    // What is so young may be a push that has yet to name it.
    assert_eq!(pruned.images, 0, "{pruned:?}");
}

#[tokio::test]
async fn what_is_no_whole_tar_is_nothing() {
    let images = Images::serve().await;
    let (mut tar, _) = layout(b"a layer");
    for length in [0, 1, 511, 600, 1500, tar.len() / 2] {
        let refused = images.import("local/app:1", &tar[..length]).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{length}: {refused}");
        assert!(refused.message().starts_with("data: "), "{refused}");
    }
    // The client goes after the last file, and before it has said that this is all: the tar's own
    // end is missing.
    tar.truncate(tar.len() - 1024);
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    let start = Event::Start(v1::ImportStart { target: "local/app:1".to_owned() });
    for event in [start, Event::Data(tar.into())] {
        sender.send(v1::ImportImageRequest { event: Some(event) }).await.unwrap();
    }
    let mut client = images.client();
    let requests = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let call = tokio::spawn(async move { client.import_image(requests).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    call.abort();
    assert!(call.await.is_err());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(images.names().await, Vec::<String>::new());
    drop(sender);
}

#[tokio::test]
async fn what_is_wrong_names_its_field() {
    let images = Images::serve().await;
    let (tar, _) = layout(b"a layer");
    images.import("local/app:1", &tar).await.unwrap();
    let check = |status: Status, words: &str| {
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().starts_with(words), "{status}");
    };
    for target in ["docker.io/library/app:1", "app", "local/", "local/A:1"] {
        let words =
            if target == "local/" || target.contains('A') { "start.target: " } else { "target: " };
        check(images.import(target, &tar).await.unwrap_err(), words);
        let tag =
            v1::TagImageRequest { source: "local/app:1".to_owned(), target: target.to_owned() };
        check(images.client().tag_image(tag).await.unwrap_err(), "target: ");
    }
    check(images.get("").await.unwrap_err(), "reference: ");
    check(images.get("local/app:-").await.unwrap_err(), "reference: ");
    check(images.send(Vec::new()).await.unwrap_err(), "start: ");
    check(images.send(vec![Event::Data(tar.into())]).await.unwrap_err(), "start: ");
    let start = || Event::Start(v1::ImportStart { target: "local/b:1".to_owned() });
    check(images.send(vec![start(), start()]).await.unwrap_err(), "start: ");
    let request = v1::ListImagesRequest { page_size: 1001, ..Default::default() };
    check(images.client().list_images(request).await.unwrap_err(), "page_size: ");
    let source = "local/app:1".to_owned();
    let request = v1::PushImageRequest { source: source.clone(), target: String::new() };
    check(images.client().push_image(request).await.unwrap_err(), "target: ");
    let request = v1::PullImageRequest { reference: source, platform: "x".to_owned() };
    check(images.client().pull_image(request).await.unwrap_err(), "platform: ");
    assert_eq!(images.names().await, ["local/app:1"]);
}

#[tokio::test]
async fn a_registry_that_may_not_be_reached_is_named() {
    let images = Images::serve().await;
    let reference = "127.0.0.1:9/team/app:1".to_owned();
    let request = v1::PullImageRequest { reference, platform: String::new() };
    let mut answers = images.client().pull_image(request).await.unwrap().into_inner();
    let failed = answers.next().await.unwrap().unwrap_err();
    let metadata = |name| failed.metadata().get(name).unwrap().to_str().unwrap();
    assert_eq!(metadata("kiln-registry-host"), "127.0.0.1:9");
    assert_eq!(metadata("kiln-registry-repository"), "team/app");
    assert!(failed.metadata().get("kiln-registry-status").is_none());
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn the_registry_tells_of_itself() {
    let images = Images::serve().await;
    let registry = images.client().get_registry(v1::GetRegistryRequest {}).await.unwrap();
    let v1::GetRegistryResponse { registry, mirrors } = registry.into_inner();
    let registry = registry.unwrap();
    assert_eq!((registry.address.as_str(), registry.quota_bytes), ("", 1 << 20));
    assert_eq!(mirrors, ["docker.io"]);
    let without = Images::serve_with(tempfile::tempdir().unwrap(), Err(Registryless)).await;
    let refused = without.get("local/app:1").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("--no-registry"), "{refused}");
    assert!(without.home.path().exists());
}

#[tokio::test]
async fn a_quota_that_is_full_is_told() {
    let images = Images::serve().await;
    let (tar, _) = layout(&vec![7; 2 << 20]);
    let refused = images.import("local/app:1", &tar).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert_eq!(images.names().await, Vec::<String>::new());
}

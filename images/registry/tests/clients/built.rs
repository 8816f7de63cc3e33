//! A build's image as the tar that `docker load` is given.

use std::{fs, io, io::Write as _, net::IpAddr, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use kiln_registry::{
    build::Maker,
    digest::Digest,
    manifest::media,
    mirror::{self, Mirror},
    operate::{Config, Form, Images},
    store::{Limits, Store},
    upstream::{self, Resolve, Upstream},
};
use serde_json::{Value, json};

use crate::image;

/// Into `docker.tar`, with two names. Its configuration's digest is what docker knows it by.
pub(crate) fn docker_tar(directory: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(write(directory))
}

async fn write(directory: &Path) -> String {
    let store = Store::open(&directory.join("builds"), Limits::default()).unwrap();
    let upstream = Upstream::new(upstream::Config::default(), Arc::new(Nowhere));
    let mirror = Mirror::new(store.clone(), upstream.clone(), mirror::Config::default());
    let config = Config { rights_age: Duration::from_secs(3600), is_offline: true };
    let images = Images::new(store, mirror, upstream, config);
    let maker = Maker::new("local", "job").unwrap();
    let layout = layout();
    fs::write(directory.join("disk"), &layout).unwrap();
    let disk = fs::File::open(directory.join("disk")).unwrap();
    let built = images.ingest_build(&maker, disk, layout.len() as u64).await.unwrap();
    let names = ["local/app:1", "registry.example/app:main"].map(|name| name.parse().unwrap());
    let plan = images.plan_build(&maker, built.root.digest, Form::Docker, &names).await.unwrap();
    let mut tar = fs::File::create(directory.join("docker.tar")).unwrap();
    let mut chunks = plan.read(None);
    while let Some(chunk) = chunks.next().await {
        tar.write_all(&chunk.unwrap()).unwrap();
    }
    built.images[0].config.digest.to_string()
}

/// As the engine exports it: layers packed, an index around the image.
fn layout() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes).unwrap();
    };
    let mut blob = |media_type: &str, bytes: &[u8]| -> Value {
        let digest = Digest::of(bytes);
        add(&format!("blobs/sha256/{}", digest.hex()), bytes);
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let layers = [1, 2].map(image::layer);
    let diffs: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let layers: Vec<_> = layers.iter().map(|layer| blob(media::OCI_LAYER, layer)).collect();
    let config = json!({
        "os": "linux", "architecture": "amd64", "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": diffs},
    });
    let config = blob(media::OCI_CONFIG, config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": config, "layers": layers,
    });
    let mut entry = blob(media::OCI_MANIFEST, manifest.to_string().as_bytes());
    entry["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let index = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [entry]});
    let entry = blob(media::OCI_INDEX, index.to_string().as_bytes());
    add("index.json", json!({"schemaVersion": 2, "manifests": [entry]}).to_string().as_bytes());
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    tar.into_inner().unwrap()
}

struct Nowhere;

#[async_trait]
impl Resolve for Nowhere {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::Error::other("nobody is asked"))
    }
}

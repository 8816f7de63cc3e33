//! An image that a build made, all at once into the store.

use std::{io, io::Write as _, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use kiln_registry::{
    build::Maker,
    digest::Digest,
    manifest::media,
    mirror::{self, Mirror},
    operate::{Config, Form, Images, IngestError, OperateError},
    store::{Store, StoreError},
    upstream::{self, Resolve, Upstream},
};
use serde_json::{Value, json};

use crate::given::content;

struct Layout {
    tar: Vec<u8>,
    root: Digest,
}

fn maker() -> Maker {
    Maker::new("a", "job").unwrap()
}

/// With layers that are written on their way, and one that is small.
fn layout() -> Layout {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, bytes).unwrap();
    };
    let mut blob = |media_type: &str, bytes: &[u8]| -> Value {
        let digest = Digest::of(bytes);
        add(&format!("blobs/sha256/{}", digest.hex()), bytes);
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let layers = [(11, 150_000), (12, 100), (13, 90_000)].map(|(seed, size)| content(seed, size));
    let diffs: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let layers: Vec<_> = layers.iter().map(|layer: &Bytes| blob(media::OCI_LAYER, layer)).collect();
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": diffs}});
    let config = blob(media::OCI_CONFIG, config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": config, "layers": layers,
    });
    let entry = blob(media::OCI_MANIFEST, manifest.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    add("index.json", index.to_string().as_bytes());
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    let root = Digest::of(manifest.to_string().as_bytes());
    Layout { tar: tar.into_inner().unwrap(), root }
}

pub(crate) async fn ingest(store: &Store) -> Result<(), StoreError> {
    let Layout { tar, root } = layout();
    let mut disk = tempfile::tempfile().unwrap();
    disk.write_all(&tar).unwrap();
    match images(store).ingest_build(&maker(), disk, tar.len() as u64).await {
        Ok(built) => {
            assert_eq!(built.root.digest, root);
            Ok(())
        }
        Err(IngestError::Store(error)) => Err(error),
        Err(error) => panic!("{error:?}"),
    }
}

pub(crate) async fn forget(store: &Store) -> Result<(), StoreError> {
    match images(store).forget_build(&maker()).await {
        Err(OperateError::Store(error)) => Err(error),
        other => {
            other.unwrap();
            Ok(())
        }
    }
}

/// All of it; a part of it is a failure.
pub(crate) async fn is_there(store: &Store) -> bool {
    let images = images(store);
    if !images.has_build(&maker()).await.unwrap() {
        return false;
    }
    let root = layout().root;
    let plan = images.plan_build(&maker(), root, Form::Oci, &[]).await.unwrap();
    plan.digest().await.unwrap();
    true
}

fn images(store: &Store) -> Images {
    let upstream = Upstream::new(upstream::Config::default(), Arc::new(Nowhere));
    let mirror = Mirror::new(store.clone(), upstream.clone(), mirror::Config::default());
    let config = Config { rights_age: Duration::from_secs(3600), is_offline: true };
    Images::new(store.clone(), mirror, upstream, config)
}

struct Nowhere;

#[async_trait]
impl Resolve for Nowhere {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::Error::other("nobody is asked"))
    }
}

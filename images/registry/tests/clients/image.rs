//! An image of a few files, as an OCI layout.

use std::{fs, path::Path};

use kiln_registry::digest::Digest;
use serde_json::{Value, json};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// Some layers and the rest below a directory; the digest of the manifest. The name is what
/// containerd calls it.
pub(crate) fn write(layout: &Path, tag: &str, name: &str) -> Digest {
    let layers: Vec<_> = (0..3).map(layer).collect();
    let described: Vec<_> = layers
        .iter()
        .map(|layer| put(layout, "application/vnd.oci.image.layer.v1.tar", layer))
        .collect();
    let diffs: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let config = json!({
        "architecture": ARCHITECTURE, "os": "linux", "config": {"Cmd": ["/file0"]},
        "rootfs": {"type": "layers", "diff_ids": diffs},
    });
    let config =
        put(layout, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": described,
        "annotations": {"org.example.note": "ä \" \\ kept as it is"},
    });
    let bytes = serde_json::to_vec_pretty(&manifest).unwrap();
    let mut entry = put(layout, IMAGE, &bytes);
    entry["annotations"] =
        json!({"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": name});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    Digest::of(&bytes)
}

/// A file of some size that compresses badly.
pub(crate) fn layer(number: u8) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut content = Vec::new();
    let mut state = u64::from(number) + 1;
    while content.len() < 700_000 * usize::from(number) + 10 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        content.extend(&state.to_le_bytes()[2..]);
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    archive.append_data(&mut header, format!("file{number}"), &*content).unwrap();
    archive.into_inner().unwrap()
}

fn put(layout: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let digest = Digest::of(bytes);
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(digest.hex()), bytes).unwrap();
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}

//! An image that is the same at each run, as an OCI layout.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use kiln_forge::Forge;
use kiln_rootfs::{Compression, Digest};
use serde_json::{Value, json};

use crate::{Outcome, files::Material};

const LAYERS: usize = 4;
const FILES_A_DIRECTORY: usize = 60;

pub(crate) struct Layout {
    pub(crate) path: PathBuf,
    /// The blobs of its layers.
    pub(crate) layers: Vec<PathBuf>,
    /// Of all layers, inflated.
    pub(crate) size: u64,
}

impl Layout {
    /// Of files that are `scale` times as large as is usual.
    pub(crate) fn make(
        path: PathBuf,
        bytes: usize,
        scale: usize,
        compression: Compression,
    ) -> Outcome<Self> {
        fs::create_dir_all(path.join("blobs/sha256"))?;
        let (mut layers, mut descriptors, mut diffs) = (Vec::new(), Vec::new(), Vec::new());
        let mut size = 0;
        let layer = "application/vnd.oci.image.layer.v1.tar";
        let media_type = match compression {
            Compression::Plain => layer.to_owned(),
            packed => format!("{layer}+{packed}"),
        };
        for number in 0..LAYERS {
            let tar = tar(number, bytes / LAYERS, scale);
            size += tar.len() as u64;
            diffs.push(Digest::of(&tar).to_string());
            let (blob, descriptor) = put(&path, &media_type, &pack(tar, compression)?)?;
            layers.push(blob);
            descriptors.push(descriptor);
        }
        let config = json!({
            "os": "linux", "architecture": "amd64", "config": { "Cmd": ["/bin/sh"] },
            "rootfs": { "type": "layers", "diff_ids": diffs },
        });
        let kind = |of: &str| format!("application/vnd.oci.image.{of}.v1+json");
        let (_, config) = put(&path, &kind("config"), &serde_json::to_vec(&config)?)?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind("manifest"), "config": config,
            "layers": descriptors,
        });
        let (_, mut manifest) = put(&path, &kind("manifest"), &serde_json::to_vec(&manifest)?)?;
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        fs::write(path.join("index.json"), serde_json::to_vec(&index)?)?;
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(Self { path, layers, size })
    }
}

fn tar(number: usize, bytes: usize, scale: usize) -> Vec<u8> {
    let mut material = Material::new(number as u64, scale);
    let mut forge = Forge::default();
    let mut files = 0;
    while forge.0.len() < bytes {
        let directory = format!("usr/lib/part{number}/{}/", files / FILES_A_DIRECTORY);
        if files % FILES_A_DIRECTORY == 0 {
            forge = forge.member(b'5', &directory, "", 0o755, b"");
        }
        let name = format!("{directory}file{files}");
        forge = forge.member(b'0', &name, "", 0o644, &material.file());
        files += 1;
    }
    forge.end()
}

/// At the levels of those that make most images.
fn pack(tar: Vec<u8>, compression: Compression) -> Outcome<Vec<u8>> {
    Ok(match compression {
        Compression::Plain => tar,
        Compression::Gzip => {
            let level = flate2::Compression::new(6);
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(&tar)?;
            encoder.finish()?
        }
        Compression::Zstd => zstd::encode_all(&tar[..], 3)?,
    })
}

/// Where it lies, and what tells of it.
fn put(layout: &Path, media_type: &str, blob: &[u8]) -> Outcome<(PathBuf, Value)> {
    let digest = Digest::of(blob);
    let path = layout.join("blobs/sha256").join(digest.hex());
    fs::write(&path, blob)?;
    let (digest, size) = (digest.to_string(), blob.len());
    Ok((path, json!({ "mediaType": media_type, "digest": digest, "size": size })))
}

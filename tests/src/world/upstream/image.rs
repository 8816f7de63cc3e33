//! Images made by hand.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// One image as a directory in the layout of the OCI.
#[derive(Debug)]
pub struct Layout {
    directory: PathBuf,
    /// Of its manifest.
    digest: String,
}

impl Layout {
    /// With a layer of each of `layers`: files by their names, which are executable. The name that it
    /// has in references is none.
    pub fn make(directory: &Path, layers: &[Vec<(&str, Vec<u8>)>]) -> anyhow::Result<Self> {
        let blobs = directory.join("blobs/sha256");
        std::fs::create_dir_all(&blobs)?;
        let put = |bytes: &[u8], media_type: &str| -> anyhow::Result<Value> {
            let digest = hexadecimal(&Sha256::digest(bytes));
            std::fs::write(blobs.join(&digest), bytes)?;
            let digest = format!("sha256:{digest}");
            Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
        };
        let mut descriptors = Vec::new();
        for files in layers {
            descriptors.push(put(&tar(files)?, "application/vnd.oci.image.layer.v1.tar")?);
        }
        let identities: Vec<_> = descriptors.iter().map(|layer| layer["digest"].clone()).collect();
        let config = json!({
            "architecture": architecture(), "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": identities },
        });
        let config =
            put(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json")?;
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind, "config": config, "layers": descriptors,
        });
        let manifest = put(manifest.to_string().as_bytes(), kind)?;
        let digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        std::fs::write(directory.join("index.json"), index.to_string())?;
        std::fs::write(directory.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}")?;
        Ok(Self { directory: directory.to_owned(), digest })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `sha256:…`.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

fn tar(files: &[(&str, Vec<u8>)]) -> anyhow::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, &content[..])?;
    }
    Ok(tar.into_inner()?)
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

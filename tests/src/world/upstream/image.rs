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

/// What a base's busybox is called by.
const APPLETS: &[&str] = &[
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "diff",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "grep",
    "head",
    "id",
    "ip",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mount",
    "mv",
    "nc",
    "od",
    "printf",
    "pwd",
    "readlink",
    "rm",
    "sed",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "tail",
    "tar",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
    "wc",
    "wget",
    "yes",
];
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Layout {
    /// With a layer of each of `layers`: files by their names, which are executable. The name that it
    /// has in references is none.
    pub fn make(directory: &Path, layers: &[Vec<(&str, Vec<u8>)>]) -> anyhow::Result<Self> {
        let blobs = Blobs::make(directory)?;
        let layers = layers.iter().map(|files| tar(files)).collect::<anyhow::Result<Vec<_>>>()?;
        let manifest = blobs.manifest(architecture(), &layers)?;
        blobs.finish(&manifest)
    }

    /// An index of images to build from, one for each of these architectures: a shell and what a step
    /// calls, which is its static busybox.
    pub fn base(directory: &Path, busyboxes: &[(&str, Vec<u8>)]) -> anyhow::Result<Self> {
        let blobs = Blobs::make(directory)?;
        let mut manifests = Vec::new();
        for (architecture, busybox) in busyboxes {
            let mut manifest = blobs.manifest(architecture, &[base(busybox)?])?;
            manifest["platform"] = json!({ "architecture": architecture, "os": "linux" });
            manifests.push(manifest);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        let index = blobs.put(index.to_string().as_bytes(), INDEX)?;
        blobs.finish(&index)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `sha256:…`.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// Those of a layout that is being made.
struct Blobs {
    directory: PathBuf,
}

impl Blobs {
    fn make(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory.join("blobs/sha256"))?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// The answer is its descriptor.
    fn put(&self, bytes: &[u8], media_type: &str) -> anyhow::Result<Value> {
        let digest = hexadecimal(&Sha256::digest(bytes));
        std::fs::write(self.directory.join("blobs/sha256").join(&digest), bytes)?;
        let digest = format!("sha256:{digest}");
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
    }

    /// Of an image of these layers.
    fn manifest(&self, architecture: &str, layers: &[Vec<u8>]) -> anyhow::Result<Value> {
        let put = |layer: &Vec<u8>| self.put(layer, "application/vnd.oci.image.layer.v1.tar");
        let layers = layers.iter().map(put).collect::<anyhow::Result<Vec<_>>>()?;
        let identities: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
        let config = json!({
            "architecture": architecture, "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": identities },
        });
        let kind = "application/vnd.oci.image.config.v1+json";
        let config = self.put(config.to_string().as_bytes(), kind)?;
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers,
        });
        self.put(manifest.to_string().as_bytes(), kind)
    }

    /// What the layout is of.
    fn finish(self, descriptor: &Value) -> anyhow::Result<Layout> {
        let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
        std::fs::write(self.directory.join("index.json"), index.to_string())?;
        std::fs::write(self.directory.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}")?;
        let digest = descriptor["digest"].as_str().unwrap_or_default().to_owned();
        Ok(Layout { directory: self.directory, digest })
    }
}

/// The layer of a base.
fn base(busybox: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let header = |kind: tar::EntryType, mode: u32, size: usize| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size as u64);
        header
    };
    for (directory, mode) in [("bin/", 0o755), ("etc/", 0o755), ("tmp/", 0o1777)] {
        tar.append_data(&mut header(tar::EntryType::Directory, mode, 0), directory, &[][..])?;
    }
    let mut program = header(tar::EntryType::Regular, 0o755, busybox.len());
    tar.append_data(&mut program, "bin/busybox", busybox)?;
    for applet in APPLETS {
        let mut link = header(tar::EntryType::Symlink, 0o777, 0);
        tar.append_link(&mut link, format!("bin/{applet}"), "busybox")?;
    }
    Ok(tar.into_inner()?)
}

fn tar(files: &[(&str, Vec<u8>)]) -> anyhow::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
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

//! An image that is made by hand: a busybox, a few files, and a configuration.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What the busybox is called by.
const APPLETS: [&str; 9] = ["cat", "echo", "id", "nc", "ps", "sh", "sleep", "test", "touch"];

#[derive(Clone, Debug)]
pub(super) struct Picture {
    busybox: Vec<u8>,
    architecture: String,
    /// Without them it has a busybox, and no name of it.
    applets: bool,
    files: Vec<(&'static str, Vec<u8>)>,
    command: Vec<&'static str>,
    layer: bool,
}

impl Picture {
    pub(super) fn of(busybox: &[u8]) -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self {
            busybox: busybox.to_owned(),
            architecture: architecture.to_owned(),
            applets: true,
            files: Vec::new(),
            command: vec!["/bin/busybox", "true"],
            layer: true,
        }
    }

    /// What it runs.
    #[must_use]
    pub(super) fn command(self, command: &[&'static str]) -> Self {
        Self { command: command.to_owned(), ..self }
    }

    #[must_use]
    pub(super) fn file(mut self, name: &'static str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name, content.into()));
        self
    }

    #[must_use]
    pub(super) fn architecture(self, architecture: &str) -> Self {
        Self { architecture: architecture.to_owned(), ..self }
    }

    #[must_use]
    pub(super) fn without_a_shell(self) -> Self {
        Self { applets: false, ..self }
    }

    /// Its manifest names a layer that nobody has.
    #[must_use]
    pub(super) fn without_its_layer(self) -> Self {
        Self { layer: false, ..self }
    }

    /// As a tar of an OCI layout.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut layout = tar::Builder::new(std::fs::File::create(path)?);
        let mut put = |name: &str, bytes: &[u8]| append(&mut layout, name, bytes, 0o644);
        let mut blob = |bytes: &[u8], kind: &str, is_there: bool| -> anyhow::Result<Value> {
            let digest = hexadecimal(&Sha256::digest(bytes));
            if is_there {
                put(&format!("blobs/sha256/{digest}"), bytes)?;
            }
            let digest = format!("sha256:{digest}");
            Ok(json!({ "mediaType": kind, "digest": digest, "size": bytes.len() }))
        };
        let layer = self.layer()?;
        let layer = blob(&layer, "application/vnd.oci.image.layer.v1.tar", self.layer)?;
        let config = json!({
            "architecture": self.architecture, "os": "linux",
            "config": { "Cmd": self.command, "Env": ["PATH=/bin"] },
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        });
        let kind = "application/vnd.oci.image.config.v1+json";
        let config = blob(config.to_string().as_bytes(), kind, true)?;
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer],
        });
        let mut manifest = blob(manifest.to_string().as_bytes(), kind, true)?;
        manifest["platform"] = json!({ "architecture": self.architecture, "os": "linux" });
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        put("index.json", index.to_string().as_bytes())?;
        put("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}")?;
        Ok(layout.finish()?)
    }

    fn layer(&self) -> anyhow::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for (directory, mode) in [("bin/", 0o755), ("etc/", 0o755), ("tmp/", 0o1777)] {
            let mut header = header(mode, 0);
            header.set_entry_type(tar::EntryType::Directory);
            tar.append_data(&mut header, directory, &[][..])?;
        }
        append(&mut tar, "bin/busybox", &self.busybox, 0o755)?;
        for applet in APPLETS.iter().filter(|_| self.applets) {
            let mut header = header(0o777, 0);
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, format!("bin/{applet}"), "busybox")?;
        }
        for (name, content) in &self.files {
            append(&mut tar, name, content, 0o755)?;
        }
        Ok(tar.into_inner()?)
    }
}

fn append(
    tar: &mut tar::Builder<impl std::io::Write>,
    name: &str,
    bytes: &[u8],
    mode: u32,
) -> anyhow::Result<()> {
    Ok(tar.append_data(&mut header(mode, bytes.len()), name, bytes)?)
}

fn header(mode: u32, size: usize) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size as u64);
    header
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

//! Root filesystems for stories, made of a small image by the tools that come with the guest image.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use kiln_images::GuestImage;
use serde_json::{Value, json};
use tar::{Archive, Builder, EntryType, Header};
use tokio::process::Command;

use crate::{Settings, digest};

const BUSYBOX: &str = "/usr/bin/busybox";
const APPLETS: [&str; 19] = [
    "cat", "echo", "env", "false", "grep", "hostname", "id", "kill", "ls", "mount", "nc",
    "poweroff", "readlink", "sh", "sleep", "test", "touch", "tr", "true",
];
const DIRECTORIES: [&str; 9] = ["bin", "dev", "etc", "proc", "run", "sbin", "srv", "sys", "tmp"];

/// An image of one layer.
#[derive(Debug)]
pub struct RootImage {
    /// Programs by their paths, beside busybox.
    files: BTreeMap<String, String>,
    config: Value,
}

impl RootImage {
    /// Its command is this script, which busybox runs.
    pub fn of_script(script: &str) -> Self {
        let config = json!({ "Cmd": ["sh", "-c", script] });
        Self { files: BTreeMap::new(), config }
    }

    #[must_use]
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.insert(path.to_owned(), content.to_owned());
        self
    }

    /// Makes the file system in `directory`, with that init: a word of `kiln-rootfs --init`.
    pub async fn ext4(
        &self,
        settings: &Settings,
        directory: &Path,
        init: &str,
    ) -> anyhow::Result<PathBuf> {
        let (layout, ext4) = (directory.join("image"), directory.join("root.ext4"));
        self.write(&layout)?;
        let tools = tools(settings, directory)?;
        let mut convert = Command::new(tools.join("kiln-rootfs"));
        convert.arg(&layout).arg("--output").arg(&ext4).args(["--init", init]);
        if init == "direct" {
            convert.arg("--init-program").arg(tools.join("kiln-init"));
        }
        let made = convert.kill_on_drop(true).output().await?;
        let said = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "kiln-rootfs: {}: {said}", made.status);
        Ok(ext4)
    }

    /// As a directory in the layout of OCI.
    fn write(&self, directory: &Path) -> anyhow::Result<()> {
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        let blob = |kind: &str, content: &[u8]| -> anyhow::Result<Value> {
            let name = digest(content);
            fs::write(blobs.join(&name), content)?;
            let media_type = format!("application/vnd.oci.image.{kind}");
            let digest = format!("sha256:{name}");
            Ok(json!({ "mediaType": media_type, "digest": digest, "size": content.len() }))
        };
        let layer = blob("layer.v1.tar", &self.layer()?)?;
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        });
        let config = blob("config.v1+json", config.to_string().as_bytes())?;
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
        let manifest = blob("manifest.v1+json", manifest.to_string().as_bytes())?;
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        fs::write(directory.join("index.json"), index.to_string())?;
        Ok(fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?)
    }

    fn layer(&self) -> anyhow::Result<Vec<u8>> {
        let busybox = fs::read(BUSYBOX)
            .with_context(|| format!("no {BUSYBOX}: install the package busybox-static"))?;
        let mut tar = Builder::new(Vec::new());
        for name in DIRECTORIES {
            tar.append_data(&mut header(EntryType::Directory, 0), name, &[][..])?;
        }
        tar.append_data(&mut regular(&busybox), "bin/busybox", &*busybox)?;
        for applet in APPLETS {
            let mut header = header(EntryType::Symlink, 0);
            tar.append_link(&mut header, format!("bin/{applet}"), "busybox")?;
        }
        for (path, content) in &self.files {
            tar.append_data(&mut regular(content.as_bytes()), path, content.as_bytes())?;
        }
        Ok(tar.into_inner()?)
    }
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn regular(content: &[u8]) -> Header {
    header(EntryType::Regular, content.len() as u64)
}

/// The guest image's tools, as programs of this host.
fn tools(settings: &Settings, directory: &Path) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = directory.join("tools");
    fs::create_dir(&directory)?;
    let image = GuestImage::open(&settings.guest_image)?;
    for entry in Archive::new(fs::File::open(&image.tools.path)?).entries()? {
        let mut entry = entry?;
        let (mut content, path) = (Vec::new(), directory.join(entry.path()?));
        entry.read_to_end(&mut content)?;
        fs::write(&path, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(directory)
}

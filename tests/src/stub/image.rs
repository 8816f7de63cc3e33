//! A guest image that nobody boots: what the daemon checks is in order, and small.

use std::{fs, path::Path};

use serde_json::json;

use crate::digest;

pub fn make_image(directory: &Path) -> anyhow::Result<()> {
    fs::create_dir(directory)?;
    let entry = |name: &str| -> anyhow::Result<_> {
        let content = format!("a stub's {name}");
        fs::write(directory.join(name), &content)?;
        let sha256 = format!("sha256:{}", digest(content.as_bytes()));
        Ok(json!({ "file": name, "sha256": sha256, "size": content.len() }))
    };
    let mut kernel = entry("kernel")?;
    kernel["release"] = "0-stub".into();
    let manifest = json!({
        "format": 2,
        "architecture": std::env::consts::ARCH,
        "kernel": kernel,
        "initramfs": entry("initramfs")?,
        "root": entry("root")?,
        "tools": entry("tools")?,
        "command_line": "",
        "agent_version": "stub",
        "packages": [],
    });
    Ok(fs::write(directory.join("manifest.json"), manifest.to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_and_verifies() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        make_image(&path).unwrap();
        kiln_images::GuestImage::open(&path).unwrap().verify().unwrap();
    }
}

//! What programs of other hands make of an image.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use kiln_tests::{Namespace, Stage};
use serde_json::Value;

/// Of a story, as root.
pub(super) fn namespace(stage: &Stage) -> anyhow::Result<&Namespace> {
    stage.namespace().context("a registry takes root")
}

/// `skopeo inspect --raw` of `transport:path`, and the digest that it makes of it.
pub(super) fn inspect(stage: &Stage, image: &str) -> anyhow::Result<(Value, String)> {
    let namespace = namespace(stage)?;
    let raw = namespace.skopeo(&["inspect", "--raw", "--tls-verify=false", image])?;
    let format = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", image];
    let digest = namespace.skopeo(&format)?.trim().to_owned();
    Ok((serde_json::from_str(&raw).context("a manifest")?, digest))
}

/// The image's config, as skopeo has it.
pub(super) fn config(stage: &Stage, image: &str) -> anyhow::Result<Value> {
    let words = ["inspect", "--config", "--tls-verify=false", image];
    serde_json::from_str(&namespace(stage)?.skopeo(&words)?).context("a config")
}

/// A layout of what is in the archive, copied by skopeo: every blob is checked on the way.
pub(super) fn layout(stage: &Stage, archive: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let into = stage.directory().join(name);
    let from = format!("oci-archive:{}", archive.display());
    let to = format!("oci:{}:copied", into.display());
    namespace(stage)?.skopeo(&["copy", "--quiet", "--preserve-digests", &from, &to])?;
    Ok(into)
}

/// The image's files, unpacked by umoci.
pub(super) fn unpacked(stage: &Stage, layout: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let into = stage.directory().join(name);
    let image = format!("{}:copied", layout.display());
    let bundle = into.display().to_string();
    namespace(stage)?.run("umoci", &["unpack", "--image", &image, &bundle])?;
    Ok(into.join("rootfs"))
}

/// A file of an unpacked image, as text.
pub(super) fn text(root: &Path, name: &str) -> anyhow::Result<String> {
    let path = root.join(name);
    std::fs::read_to_string(&path).with_context(|| format!("{} is not there", path.display()))
}

/// Digests of all layers of a manifest.
pub(super) fn layers(manifest: &Value) -> anyhow::Result<Vec<&str>> {
    let layers = manifest["layers"].as_array().context("a manifest has layers")?;
    ensure!(!layers.is_empty(), "no layer: {manifest}");
    Ok(layers.iter().filter_map(|layer| layer["digest"].as_str()).collect())
}

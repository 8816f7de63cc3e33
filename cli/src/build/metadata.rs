//! `--metadata-file` and `--iidfile`, as buildx writes them.

#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use crate::record::{Build, BuiltImage};

#[derive(Debug, thiserror::Error)]
pub(super) enum MetadataError {
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("kilnd's record of the build has no image, so there is no id to write")]
    NoImage,
}

/// Of one platform the configuration's digest, of several the index's.
pub(super) fn image_id(build: &Build) -> Option<&str> {
    let image = image(build)?;
    Some(match &image.platforms[..] {
        [only] => only.config.as_ref().map_or(image.digest.as_str(), |config| &config.digest),
        _ => &image.digest,
    })
}

pub(super) fn write_id(build: &Build, path: &Path) -> Result<(), MetadataError> {
    let id = image_id(build).ok_or(MetadataError::NoImage)?;
    write(path, id.as_bytes())
}

pub(super) fn write_metadata(build: &Build, path: &Path) -> Result<(), MetadataError> {
    let mut text = format!("{:#}", metadata(build));
    text.push('\n');
    write(path, text.as_bytes())
}

fn image(build: &Build) -> Option<&BuiltImage> {
    build.build.result.as_ref()?.images.first()
}

fn metadata(build: &Build) -> Value {
    let mut value = Map::new();
    let mut set = |name: &str, field: Value| value.insert(name.to_owned(), field);
    set("buildx.build.ref", json!(format!("kiln/kiln/{}", build.job.id)));
    if let Some(image) = image(build) {
        set("containerimage.digest", json!(image.digest));
        if !image.names.is_empty() {
            set("image.name", json!(image.names.join(",")));
        }
        if let [only] = &image.platforms[..] {
            if let Some(config) = &only.config {
                set("containerimage.config.digest", json!(config.digest));
            }
            // Only where it is the image itself is its size known.
            if let Some(manifest) = only.manifest.as_ref().filter(|m| m.digest == image.digest) {
                set(
                    "containerimage.descriptor",
                    json!({
                        "mediaType": manifest.media_type,
                        "digest": manifest.digest,
                        "size": manifest.size_bytes,
                        "platform": platform(&only.platform),
                    }),
                );
            }
        }
    }
    set("kiln.job.id", json!(build.job.id));
    if let Some(result) = &build.build.result {
        set("kiln.cache.key", json!(result.cache_key));
        set("kiln.images", json!(result.images));
    }
    if !build.root_filesystems.is_empty() {
        let made = build
            .root_filesystems
            .iter()
            .map(|job| json!({ "kiln.job.id": job.id, "rootfs": job.rootfs, "boot": job.boot }));
        set("kiln.root_filesystems", made.collect::<Vec<_>>().into());
    }
    let (cached, executed) = (build.build.cached, build.build.executed);
    set("kiln.steps", json!({ "cached": cached, "executed": executed }));
    value.into()
}

fn platform(text: &str) -> Value {
    let mut parts = text.splitn(3, '/');
    let mut value = Map::new();
    for name in ["os", "architecture", "variant"] {
        if let Some(part) = parts.next() {
            value.insert(name.to_owned(), json!(part));
        }
    }
    value.into()
}

/// Whole, or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), MetadataError> {
    let wrong = |source| MetadataError::Write { path: path.to_owned(), source };
    crate::download::write_whole(path, bytes).map_err(wrong)
}

/// That it can be written to when the build is over.
pub(super) fn check(path: &Path) -> Result<(), MetadataError> {
    let wrong = |source| MetadataError::Write { path: path.to_owned(), source };
    if path.is_dir() {
        return Err(wrong(io::ErrorKind::IsADirectory.into()));
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let metadata = fs::metadata(parent).map_err(wrong)?;
    if metadata.is_dir() { Ok(()) } else { Err(wrong(io::ErrorKind::NotADirectory.into())) }
}

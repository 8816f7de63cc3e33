//! What is said of a root filesystem: what it was made of, what it is, and what is not in it any more.
//!
//! Paths are as they stand in the root, with what is no printable text escaped.

mod summary;
mod taken;

use serde::Serialize;
use serde_json::value::RawValue;

use self::taken::{Excess, Hardened};
use super::{Format, Identity, Recipe, output::Written};
use kiln_digest::Digest;

use crate::{
    apply::Notes,
    ext4::Usage,
    harden,
    image::{Image, LayerBlob},
    init::Installed,
    layers::Compression,
    optimise,
};

/// Of this document: it changes when a reader would have to.
const VERSION: u32 = 1;

/// Serializes as the metadata that lies beside a root filesystem.
#[derive(Debug, Serialize)]
pub struct Record {
    version: u32,
    /// Of the file, as it is packed.
    pub digest: String,
    /// Of the file, as it is packed.
    pub size: u64,
    format: &'static str,
    compression: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ext4: Option<Ext4>,
    source: Source,
    /// The image's own, word for word.
    config: Box<RawValue>,
    /// None if nothing was installed.
    init: Option<Init>,
    #[serde(skip_serializing_if = "Option::is_none")]
    optimised: Option<Vec<Excess>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hardened: Option<Hardened>,
    left_out: LeftOut,
    kernel: Kernel,
}

#[derive(Debug, Serialize)]
struct Ext4 {
    uuid: String,
    /// Before it was packed.
    size: u64,
    /// Bytes that files, and what keeps them, take.
    used: u64,
    free: u64,
    inodes: u32,
    free_inodes: u32,
}

#[derive(Debug, Serialize)]
struct Source {
    /// An archive of docker has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<String>,
    config: String,
    platform: String,
    layers: Vec<Layer>,
}

#[derive(Debug, Serialize)]
struct Layer {
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    diff: String,
    compression: String,
    /// Of its tar.
    size: u64,
}

#[derive(Debug, Serialize)]
struct Init {
    program: String,
    found_by_default: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    made: Vec<String>,
}

/// What was in layers and never meant for a file system.
#[derive(Debug, Serialize)]
struct LeftOut {
    idle_whiteouts: u64,
    union_files: u64,
    overlay_attributes: u64,
}

/// What has to run it.
#[derive(Debug, Serialize)]
struct Kernel {
    filesystems: Vec<&'static str>,
    /// For its command line, beside `root=`.
    arguments: Vec<String>,
}

/// What a record is made of.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) image: &'a Image,
    pub(super) recipe: &'a Recipe,
    pub(super) identity: &'a Identity,
    pub(super) sizes: &'a [(Compression, u64)],
    pub(super) notes: Notes,
    pub(super) optimised: Option<&'a optimise::Report>,
    pub(super) hardened: Option<&'a harden::Report>,
    pub(super) installed: Option<&'a Installed>,
    pub(super) written: &'a Written,
}

impl Record {
    pub(super) fn of(parts: &Parts<'_>) -> Result<Self, serde_json::Error> {
        let Parts {
            image,
            recipe,
            identity,
            sizes,
            notes,
            optimised,
            hardened,
            installed,
            written,
        } = *parts;
        let Notes { idle_whiteouts, union_files, overlay_attributes } = notes;
        Ok(Self {
            version: VERSION,
            digest: written.digest.to_string(),
            size: written.bytes,
            format: recipe.format.name(),
            compression: recipe.packing.to_string(),
            ext4: written.usage.map(|usage| Ext4::of(usage, identity)),
            source: Source::of(image, sizes),
            config: serde_json::from_slice(&image.config.raw)?,
            init: installed.map(Init::of),
            optimised: optimised.map(Excess::all),
            hardened: hardened.map(Hardened::of),
            left_out: LeftOut { idle_whiteouts, union_files, overlay_attributes },
            kernel: Kernel::of(recipe, installed),
        })
    }
}

impl Ext4 {
    fn of(usage: Usage, identity: &Identity) -> Self {
        let Usage { size, used, free, inodes, free_inodes } = usage;
        Self { uuid: identity.uuid.to_string(), size, used, free, inodes, free_inodes }
    }
}

impl Source {
    fn of(image: &Image, sizes: &[(Compression, u64)]) -> Self {
        let Image { manifest, config, layers } = image;
        let layers = layers.iter().zip(sizes).map(|(blob, (compression, size))| {
            let LayerBlob { extent: _, digest, diff } = blob;
            Layer {
                digest: digest.as_ref().map(Digest::to_string),
                diff: diff.to_string(),
                compression: compression.to_string(),
                size: *size,
            }
        });
        Self {
            manifest: manifest.as_ref().map(Digest::to_string),
            config: config.digest.to_string(),
            platform: config.platform.to_string(),
            layers: layers.collect(),
        }
    }
}

impl Init {
    fn of(installed: &Installed) -> Self {
        let Installed { program, found_by_default, unit, made } = installed.clone();
        Self { program, found_by_default, unit, made }
    }
}

impl Kernel {
    fn of(recipe: &Recipe, installed: Option<&Installed>) -> Self {
        let told = installed.filter(|init| !init.found_by_default);
        Self {
            filesystems: match recipe.format {
                Format::Ext4 { .. } => vec!["ext4"],
                Format::Tar => Vec::new(),
            },
            arguments: told.map(|init| format!("init={}", init.program)).into_iter().collect(),
        }
    }
}

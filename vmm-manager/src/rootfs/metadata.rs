//! `rootfs.json`: what the host saw of a root filesystem and, apart from it, what was asked and what the
//! converter said.
//!
//! The same image and options give the same document, but for what `boot_check` has of one boot.

use std::ops::Not as _;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::job::{
    BootRecord, Rootfs, RootfsRecord, UpBy,
    rootfs::{MadeRootfs, RootfsImage},
};

/// Of the document: it changes when a reader would have to.
const VERSION: u32 = 1;

#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    artifact: String,
    /// Of the artifact, as the next.
    digest: &'a str,
    size: u64,
    image: Image<'a>,
    boot_check: BootCheck<'a>,
    asked: Asked<'a>,
    /// As it stands there.
    converter: &'a RawValue,
}

/// What the request says of itself: the host has seen nothing of it.
#[derive(Debug, Serialize)]
struct Asked<'a> {
    /// Whether the same image and options give the same bytes, as far as that is promised.
    reproducible: bool,
    /// What was run in the image before.
    commands: &'a [String],
}

#[derive(Debug, Serialize)]
struct Image<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    digest: &'a str,
    /// It is what was stored: its registry was not asked, or did not answer.
    #[serde(skip_serializing_if = "<&bool>::not")]
    stale: bool,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum BootCheck<'a> {
    Skipped { skipped: &'static str },
    Up(Up<'a>),
}

#[derive(Debug, Serialize)]
struct Up<'a> {
    state: &'static str,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_seconds: Option<f64>,
    /// The end of it, until it was up.
    console_tail: &'a str,
}

/// `said` is what the converter said, word for word.
pub fn document(
    rootfs: &Rootfs,
    record: &RootfsRecord,
    made: &MadeRootfs,
    boot: &BootRecord,
    said: &[u8],
) -> Result<Vec<u8>, serde_json::Error> {
    let (reference, build) = match &rootfs.source {
        RootfsImage::Reference(reference) => (Some(reference.as_str()), None),
        RootfsImage::Build { build, .. } => (None, Some(build.as_str())),
        RootfsImage::Upload(_) => (None, None),
    };
    let boot_check = match (boot.skipped, boot.up) {
        (_, Some(up)) => BootCheck::Up(Up {
            state: if up.degraded { "degraded" } else { "up" },
            by: UpBy::name(up.by),
            after_seconds: up.after.map(|after| after.as_secs_f64()),
            console_tail: &boot.console_tail,
        }),
        (why, None) => BootCheck::Skipped { skipped: why.unwrap_or_default().name() },
    };
    let converter: &RawValue = serde_json::from_slice(said)?;
    let document = Document {
        version: VERSION,
        artifact: rootfs.artifact(),
        digest: &made.digest,
        size: made.size_bytes,
        image: Image { reference, build, digest: &record.image_digest, stale: record.is_stale },
        boot_check,
        asked: Asked { reproducible: rootfs.commands.is_empty(), commands: &rootfs.commands },
        converter,
    };
    let mut json = serde_json::to_vec_pretty(&document)?;
    json.push(b'\n');
    Ok(json)
}

#[cfg(test)]
mod tests;

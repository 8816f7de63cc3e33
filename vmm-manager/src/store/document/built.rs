//! What has become of a build.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::time::{nanos_of, time_of};
use crate::build::{BuildRecord, Content, Image, PlatformImage, StepRecord, WarningRecord};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Built {
    steps: Vec<Step>,
    more_steps: u32,
    warnings: Vec<Warning>,
    more_warnings: u32,
    images: Vec<ImageDocument>,
    cache_key: String,
    context_bytes: u64,
    context_digests: Vec<String>,
    exported_bytes: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Step {
    number: u32,
    digest: String,
    name: String,
    inputs: Vec<u32>,
    started_at: Option<i64>,
    completed_at: Option<i64>,
    cached: bool,
    error: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Warning {
    step: u32,
    text: String,
    details: Vec<String>,
    url: String,
    file: String,
    line: u32,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ImageDocument {
    export: String,
    content: ContentDocument,
    total_bytes: u64,
    platforms: Vec<OfPlatform>,
    names: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct OfPlatform {
    platform: String,
    manifest: ContentDocument,
    config: ContentDocument,
    layers: Vec<ContentDocument>,
    attestations: Vec<ContentDocument>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ContentDocument {
    digest: String,
    media_type: String,
    size_bytes: u64,
}

impl From<&BuildRecord> for Built {
    fn from(record: &BuildRecord) -> Self {
        let BuildRecord {
            steps,
            more_steps,
            warnings,
            more_warnings,
            images,
            cache_key,
            context_bytes,
            context_digests,
            exported_bytes,
        } = record.clone();
        Self {
            steps: steps.into_iter().map(Step::from).collect(),
            more_steps,
            warnings: warnings.into_iter().map(Warning::from).collect(),
            more_warnings,
            images: images.into_iter().map(ImageDocument::from).collect(),
            cache_key,
            context_bytes,
            context_digests,
            exported_bytes,
        }
    }
}

impl From<Built> for Arc<BuildRecord> {
    fn from(document: Built) -> Self {
        let Built {
            steps,
            more_steps,
            warnings,
            more_warnings,
            images,
            cache_key,
            context_bytes,
            context_digests,
            exported_bytes,
        } = document;
        Self::new(BuildRecord {
            steps: steps.into_iter().map(StepRecord::from).collect(),
            more_steps,
            warnings: warnings.into_iter().map(WarningRecord::from).collect(),
            more_warnings,
            images: images.into_iter().map(Image::from).collect(),
            cache_key,
            context_bytes,
            context_digests,
            exported_bytes,
        })
    }
}

impl From<StepRecord> for Step {
    fn from(step: StepRecord) -> Self {
        let StepRecord { number, digest, name, inputs, started_at, completed_at, cached, error } =
            step;
        let (started_at, completed_at) = (started_at.map(nanos_of), completed_at.map(nanos_of));
        Self { number, digest, name, inputs, started_at, completed_at, cached, error }
    }
}

impl From<Step> for StepRecord {
    fn from(step: Step) -> Self {
        let Step { number, digest, name, inputs, started_at, completed_at, cached, error } = step;
        let (started_at, completed_at) = (started_at.map(time_of), completed_at.map(time_of));
        Self { number, digest, name, inputs, started_at, completed_at, cached, error }
    }
}

impl From<WarningRecord> for Warning {
    fn from(warning: WarningRecord) -> Self {
        let WarningRecord { step, text, details, url, file, line } = warning;
        Self { step, text, details, url, file, line }
    }
}

impl From<Warning> for WarningRecord {
    fn from(warning: Warning) -> Self {
        let Warning { step, text, details, url, file, line } = warning;
        Self { step, text, details, url, file, line }
    }
}

impl From<Image> for ImageDocument {
    fn from(image: Image) -> Self {
        let Image { export, content, total_bytes, platforms, names } = image;
        let platforms = platforms.into_iter().map(OfPlatform::from).collect();
        Self { export, content: content.into(), total_bytes, platforms, names }
    }
}

impl From<ImageDocument> for Image {
    fn from(image: ImageDocument) -> Self {
        let ImageDocument { export, content, total_bytes, platforms, names } = image;
        let platforms = platforms.into_iter().map(PlatformImage::from).collect();
        Self { export, content: content.into(), total_bytes, platforms, names }
    }
}

impl From<PlatformImage> for OfPlatform {
    fn from(image: PlatformImage) -> Self {
        let PlatformImage { platform, manifest, config, layers, attestations } = image;
        Self {
            platform,
            manifest: manifest.into(),
            config: config.into(),
            layers: layers.into_iter().map(ContentDocument::from).collect(),
            attestations: attestations.into_iter().map(ContentDocument::from).collect(),
        }
    }
}

impl From<OfPlatform> for PlatformImage {
    fn from(image: OfPlatform) -> Self {
        let OfPlatform { platform, manifest, config, layers, attestations } = image;
        Self {
            platform,
            manifest: manifest.into(),
            config: config.into(),
            layers: layers.into_iter().map(Content::from).collect(),
            attestations: attestations.into_iter().map(Content::from).collect(),
        }
    }
}

impl From<Content> for ContentDocument {
    fn from(Content { digest, media_type, size_bytes }: Content) -> Self {
        Self { digest, media_type, size_bytes }
    }
}

impl From<ContentDocument> for Content {
    fn from(ContentDocument { digest, media_type, size_bytes }: ContentDocument) -> Self {
        Self { digest, media_type, size_bytes }
    }
}

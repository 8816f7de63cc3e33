//! What is wrong with a tar that should hold images.

use std::{io, sync::Arc};

use crate::{
    digest::Digest,
    manifest::{InvalidManifest, json::InvalidJson},
};

#[derive(Clone, Debug, thiserror::Error)]
pub enum InvalidLayout {
    #[error("not a tar of images: it is compressed with {with}; decompress it first")]
    Compressed { with: &'static str },
    #[error("not a tar of images: {0}")]
    NotATar(&'static str),
    #[error("the tar ends in the middle of {path}")]
    Truncated { path: String },
    #[error("the tar broke off")]
    Stream(#[source] Arc<io::Error>),
    #[error("the tar holds more than {most} entries")]
    TooManyEntries { most: usize },
    #[error("the tar holds more than {most} blobs")]
    TooManyBlobs { most: usize },
    #[error("{path} is in the tar twice")]
    Twice { path: String },
    #[error("{path} has {bytes} bytes: at most {most}")]
    TooLarge { path: String, bytes: u64, most: u64 },
    #[error("{path} is not what its name says, but {found}")]
    OtherDigest { path: String, found: Digest },
    #[error("neither an OCI layout (index.json) nor of `docker save` (manifest.json)")]
    NoImages,
    #[error("{path} can't be read")]
    Json { path: String, source: InvalidJson },
    #[error("{path}: {wrong}")]
    Document { path: String, wrong: &'static str },
    #[error("{what} is no manifest that can be kept here")]
    Manifest { what: String, source: InvalidManifest },
    #[error("{digest} is named, but not in the tar")]
    Missing { digest: Digest },
    #[error("{digest} has {found} bytes, not the {expected} that its manifest says")]
    OtherSize { digest: Digest, expected: u64, found: u64 },
    #[error("{path} is named, but not in the tar")]
    MissingFile { path: String },
    #[error("layer {layer} is not the one that the image's configuration names")]
    OtherLayer { layer: Digest },
    #[error("indexes in indexes, deeper than {most} levels")]
    TooDeep { most: usize },
    #[error("{path} is a link, which a builder's layout has none of")]
    Link { path: String },
    #[error("no OCI layout: index.json is missing")]
    NoLayout,
    #[error("it holds {count} images, and a build's output is one")]
    ManyImages { count: usize },
    #[error("it has more images, layers or attestations than a build makes")]
    TooMuch,
    #[error("there is no image of any platform in it")]
    NoPlatforms,
    #[error("{digest} does not say which platform it is for")]
    NoPlatform { digest: Digest },
    #[error("{digest} is for {found}, and not for {stated} as its index says")]
    OtherPlatform { digest: Digest, stated: String, found: String },
    #[error("{digest} has {layers} layers, and its configuration names {diff_ids}")]
    OtherLayers { digest: Digest, layers: usize, diff_ids: usize },
    #[error("{digest} says something of an image that is not there")]
    Unattested { digest: Digest },
    #[error("its images have no name that can be given here: say which, as in local/app:1")]
    Unnamed,
    #[error("{name} is no name of this host's: say which one it gets, as in local/app:1")]
    ForeignName { name: String },
    #[error("it holds {count} images: they can't all be {target}")]
    ManyForOne { count: usize, target: String },
}

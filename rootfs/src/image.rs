//! Images of containers, read where they lie and never unpacked.
//!
//! | given | what it is |
//! |---|---|
//! | a directory with `oci-layout` and `index.json` | an OCI image layout |
//! | a tar with the same | the same, as `docker buildx -o type=oci` and newer `docker save` write it |
//! | a tar with `manifest.json` | an archive of docker, as older `docker save` and `podman save` write it |
//!
//! A tar may also lie on a block device that is larger: zeros are behind it then.
//!
//! The way is `index → manifest, by platform → configuration and layers`. Each of them is what its digest
//! says, or the image is refused; layers are hashed where they are read. Whoever holds the image must
//! leave it as it is for so long as it is open.

mod archive;
mod config;
mod descriptor;
mod docker;
mod extent;
mod oci;
mod platform;
mod shelf;

use std::{io, path::Path};

use kiln_archive::{ReadError, shown};

use self::shelf::Shelf;
pub use self::{
    config::Config,
    extent::{Extent, ExtentReader},
    platform::{InvalidPlatform, Platform},
};
use kiln_digest::Digest;

/// As many as a manifest may list: docker itself makes no more than 127.
const MOST_LAYERS: usize = 256;

/// Which image of those that may lie there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub platform: Platform,
    /// A reference or a tag, as the image's own annotations or tags have it.
    pub name: Option<String>,
}

#[derive(Debug)]
pub struct Image {
    /// An archive of docker has none.
    pub manifest: Option<Digest>,
    pub config: Config,
    /// From the lowest to the uppermost.
    pub layers: Vec<LayerBlob>,
}

/// A layer as it lies in the image, mostly compressed.
#[derive(Clone, Debug)]
pub struct LayerBlob {
    pub extent: Extent,
    /// Of the blob as it lies there; an archive of docker does not say.
    pub digest: Option<Digest>,
    /// Of its tar.
    pub diff: Digest,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot read the image")]
    Io(#[source] io::Error),
    #[error("not an image: neither an OCI layout, nor a tar of one, nor an archive of docker")]
    NotAnImage,
    #[error("the image's archive cannot be read")]
    Archive(#[source] ReadError),
    #[error("{what} is not as it should be")]
    Json { what: String, source: serde_json::Error },
    #[error("{what}: {problem}")]
    Malformed { what: String, problem: &'static str },
    #[error("{what} is {size} bytes long, at most {limit} are taken")]
    TooLong { what: String, size: u64, limit: u64 },
    #[error("{what} is missing in the image")]
    Missing { what: String },
    #[error("{what} is {size} bytes long, and should be {expected}")]
    SizeMismatch { what: String, size: u64, expected: u64 },
    #[error("{what} has the digest {digest}, and should have {expected}")]
    DigestMismatch { what: String, digest: Digest, expected: Digest },
    #[error("no image for {wanted}: there is {}", listed(found))]
    WrongPlatform { wanted: Platform, found: Vec<Platform> },
    #[error("no image is called {name:?}: there is {}", listed(known))]
    NoSuchName { name: String, known: Vec<String> },
    #[error("several images are there, name one of them: {}", listed(known))]
    Ambiguous { known: Vec<String> },
    #[error("the image has {count} layers, at most {limit} are taken")]
    TooManyLayers { count: usize, limit: usize },
    #[error("the manifest has {layers} layers, and the configuration {diffs}")]
    LayersDisagree { layers: usize, diffs: usize },
    #[error("{what} is of the type {media_type:?}, which is not taken")]
    MediaType { what: String, media_type: String },
}

impl Image {
    /// Opens what lies at `path`, read-only.
    pub fn open(path: &Path, wanted: &Wanted) -> Result<Self, OpenError> {
        let shelf = Shelf::open(path)?;
        if shelf.find("oci-layout")?.is_some() {
            oci::open(&shelf, wanted)
        } else if shelf.find("manifest.json")?.is_some() {
            docker::open(&shelf, wanted)
        } else {
            Err(OpenError::NotAnImage)
        }
    }
}

fn listed(all: &[impl ToString]) -> String {
    let all: Vec<_> = all.iter().map(|one| shown(one.to_string().as_bytes())).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

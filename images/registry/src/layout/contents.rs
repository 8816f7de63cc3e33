//! What an archive holds: known when its last byte was read, since its documents may come last.

use std::collections::HashMap;

use bytes::Bytes;

use super::{InvalidLayout, docker};
use crate::{digest::Digest, manifest::media};

pub(crate) const INDEX: &str = "index.json";
pub(crate) const LAYOUT: &str = "oci-layout";
const BLOBS: &str = "blobs/";
const SHA256: &str = "blobs/sha256/";
const MAX_LINKS: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Contents {
    blobs: HashMap<Digest, Held>,
    /// Of what has no digest for a name, and of links.
    paths: HashMap<String, Digest>,
    links: HashMap<String, String>,
    documents: HashMap<&'static str, Bytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub size: u64,
    pub packing: Packing,
}

/// How a layer is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// What a file is, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    Document(&'static str),
    /// With the digest that it claims to have.
    Blob(Option<Digest>),
    Ignored,
}

impl Packing {
    pub(crate) const MAGIC_BYTES: usize = 4;

    pub(crate) fn of(beginning: &[u8]) -> Self {
        match beginning {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    pub(crate) fn layer(self) -> &'static str {
        match self {
            Self::Plain => media::OCI_LAYER,
            Self::Gzip => media::OCI_LAYER_GZIP,
            Self::Zstd => media::OCI_LAYER_ZSTD,
        }
    }
}

impl File {
    pub(crate) fn at(path: &str) -> Self {
        let documents = [INDEX, LAYOUT, docker::PATH];
        if let Some(document) = documents.into_iter().find(|document| path == *document) {
            return Self::Document(document);
        }
        if let Some(hex) = path.strip_prefix(SHA256) {
            let digest = format!("sha256:{hex}").parse();
            return digest.map_or(Self::Ignored, |digest| Self::Blob(Some(digest)));
        }
        // What older dockers add to each layer.
        let is_noise = path == "repositories"
            || path.starts_with(BLOBS)
            || ["/VERSION", "/json"].iter().any(|end| path.ends_with(end));
        if is_noise { Self::Ignored } else { Self::Blob(None) }
    }
}

impl Contents {
    pub(crate) fn add_document(
        &mut self,
        name: &'static str,
        bytes: Bytes,
    ) -> Result<(), InvalidLayout> {
        match self.documents.insert(name, bytes) {
            Some(_) => Err(InvalidLayout::Twice { path: name.to_owned() }),
            None => Ok(()),
        }
    }

    pub(crate) fn add_blob(
        &mut self,
        path: String,
        digest: Digest,
        held: Held,
    ) -> Result<(), InvalidLayout> {
        self.blobs.insert(digest, held);
        match self.paths.insert(path.clone(), digest) {
            Some(other) if other != digest => Err(InvalidLayout::Twice { path }),
            _ => Ok(()),
        }
    }

    pub(crate) fn add_link(&mut self, path: String, to: String) {
        self.links.insert(path, to);
    }

    pub(crate) fn document(&self, name: &str) -> Option<&Bytes> {
        self.documents.get(name)
    }

    pub(crate) fn blob(&self, digest: Digest) -> Option<Held> {
        self.blobs.get(&digest).copied()
    }

    /// Of a file, through links.
    pub(crate) fn file(&self, path: &str) -> Result<(Digest, Held), InvalidLayout> {
        let missing = || InvalidLayout::MissingFile { path: path.chars().take(256).collect() };
        let mut at = path;
        for _ in 0..MAX_LINKS {
            if let Some(digest) = self.paths.get(at) {
                return Ok((*digest, self.blob(*digest).ok_or_else(missing)?));
            }
            at = self.links.get(at).ok_or_else(missing)?;
        }
        Err(missing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_by_their_paths() {
        let digest = Digest::of(b"x");
        let hex = digest.hex();
        for (path, file) in [
            ("index.json", File::Document(INDEX)),
            ("manifest.json", File::Document(docker::PATH)),
            ("oci-layout", File::Document(LAYOUT)),
            (&format!("blobs/sha256/{hex}"), File::Blob(Some(digest))),
            (&format!("blobs/sha512/{hex}"), File::Ignored),
            ("blobs/sha256/../../etc/passwd", File::Ignored),
            (&format!("{hex}/layer.tar"), File::Blob(None)),
            (&format!("{hex}.json"), File::Blob(None)),
            (&format!("{hex}/json"), File::Ignored),
            (&format!("{hex}/VERSION"), File::Ignored),
            ("repositories", File::Ignored),
        ] {
            assert_eq!(File::at(path), file, "{path}");
        }
    }

    #[test]
    fn links_lead_somewhere_or_nowhere() {
        let (digest, held) = (Digest::of(b"x"), Held { size: 1, packing: Packing::Plain });
        let mut contents = Contents::default();
        contents.add_blob("a.tar".into(), digest, held).unwrap();
        contents.add_link("b/layer.tar".into(), "a.tar".into());
        contents.add_link("loop".into(), "loop".into());
        assert_eq!(contents.file("b/layer.tar").unwrap(), (digest, held));
        for path in ["loop", "none"] {
            assert!(contents.file(path).is_err());
        }
        let other = contents.add_blob("a.tar".into(), Digest::of(b"y"), held);
        assert!(matches!(other, Err(InvalidLayout::Twice { .. })));
    }
}

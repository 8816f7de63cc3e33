//! What an image is like.

use super::{InvalidExport, take, taken};

pub(super) const KEYS: [&str; 6] = [
    "name",
    "compression",
    "compression-level",
    "force-compression",
    "oci-mediatypes",
    "rewrite-timestamp",
];

#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageOptions {
    /// Its own; those of `--tag` where there are none.
    pub(crate) names: Vec<String>,
    pub(crate) push: bool,
    pub(crate) push_by_digest: bool,
    pub(crate) compression: Option<Compression>,
    pub(crate) compression_level: Option<u32>,
    pub(crate) force_compression: bool,
    pub(crate) rewrite_timestamp: bool,
    pub(crate) docker_media_types: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Estargz,
    Uncompressed,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidImage {
    #[error("name= is empty: write name=NAME, and quotes around several: \"name=A,B\"")]
    NoName,
    #[error("compression={name} is none: write gzip, zstd, estargz or uncompressed")]
    UnknownCompression { name: String },
    #[error("compression-level={level} is none of {compression}: write {least} to {most}")]
    Level { level: String, compression: &'static str, least: u32, most: u32 },
    #[error("compression-level goes with compression=gzip, zstd or estargz")]
    LevelOfNothing,
}

impl ImageOptions {
    pub(super) fn of(pairs: &mut Vec<(String, String)>) -> Result<Self, InvalidExport> {
        let names: Vec<_> = match take(pairs, "name") {
            Some(names) => names.split(',').map(|name| name.trim().to_owned()).collect(),
            None => Vec::new(),
        };
        if names.iter().any(String::is_empty) {
            return Err(InvalidImage::NoName.into());
        }
        let compression =
            take(pairs, "compression").map(|name| Compression::named(&name)).transpose()?;
        let compression_level = take(pairs, "compression-level")
            .map(|level| compression.unwrap_or(Compression::Gzip).level(&level))
            .transpose()?;
        Ok(Self {
            names,
            compression,
            compression_level,
            push: taken(pairs, "push")?.unwrap_or(false),
            push_by_digest: taken(pairs, "push-by-digest")?.unwrap_or(false),
            force_compression: taken(pairs, "force-compression")?.unwrap_or(false),
            rewrite_timestamp: taken(pairs, "rewrite-timestamp")?.unwrap_or(false),
            docker_media_types: !taken(pairs, "oci-mediatypes")?.unwrap_or(true),
        })
    }
}

impl Compression {
    pub(crate) fn named(name: &str) -> Result<Self, InvalidImage> {
        match name {
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            "estargz" => Ok(Self::Estargz),
            "uncompressed" => Ok(Self::Uncompressed),
            _ => Err(InvalidImage::UnknownCompression { name: name.to_owned() }),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Estargz => "estargz",
            Self::Uncompressed => "uncompressed",
        }
    }

    fn level(self, text: &str) -> Result<u32, InvalidImage> {
        let (least, most) = match self {
            // 0 is the default's word on the wire.
            Self::Gzip | Self::Estargz => (1, 9),
            Self::Zstd => (1, 22),
            Self::Uncompressed => return Err(InvalidImage::LevelOfNothing),
        };
        let level = text.parse().ok().filter(|level| (least..=most).contains(level));
        level.ok_or_else(|| InvalidImage::Level {
            level: text.to_owned(),
            compression: self.name(),
            least,
            most,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::build::Export;

    #[test]
    fn all_that_an_image_takes() {
        let text = "type=image,\"name=local/a,local/b:1\",push=1,compression=zstd,\
                    compression-level=19,force-compression=true,oci-mediatypes=false,\
                    rewrite-timestamp=true,push-by-digest=false";
        let expected = ImageOptions {
            names: vec!["local/a".to_owned(), "local/b:1".to_owned()],
            push: true,
            push_by_digest: false,
            compression: Some(Compression::Zstd),
            compression_level: Some(19),
            force_compression: true,
            rewrite_timestamp: true,
            docker_media_types: true,
        };
        assert_eq!(text.parse(), Ok(Export::Image(expected)));
    }

    #[test]
    fn all_else_is_refused() {
        let check = |text: &str, words: &str| {
            let told = text.parse::<Export>().unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        };
        check("type=image,compression=lzma", "write gzip, zstd");
        check("type=image,compression=zstd,compression-level=23", "write 1 to 22");
        check("type=image,compression-level=0", "write 1 to 9");
        check("type=image,compression-level=x", "write 1 to 9");
        check("type=image,compression=uncompressed,compression-level=1", "goes with");
        check("type=image,name=", "name= is empty");
        check("type=image,push=yes", "neither true nor false");
    }
}

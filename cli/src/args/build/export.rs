//! `--output type=…,KEY=VALUE,…`, `--output DIRECTORY`, `--output -`.

mod image;
mod kind;
mod rootfs;

use std::str::FromStr;

use super::csv::{self, InvalidCsv};
use crate::args::{Destination, InvalidRootfs};

use self::kind::Kind;
pub(crate) use self::{
    image::{Compression, ImageOptions, InvalidImage},
    rootfs::RootfsExport,
};

/// What is to come of a build, as one `--output` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Export {
    /// Kept by the host; named and pushed as its names and `push` say.
    Image(ImageOptions),
    /// As `type=image`, and a file here.
    Archive { image: ImageOptions, format: ArchiveFormat, destination: Destination },
    /// As `type=image`, and into this machine's docker.
    Load(ImageOptions),
    /// As `type=image`, and a root filesystem that is made of it.
    Rootfs { image: ImageOptions, rootfs: Box<RootfsExport>, destination: Destination },
    /// The files of the result.
    Tree { platform_split: bool, destination: Destination },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveFormat {
    /// Unpacked, where the destination is a directory.
    Oci,
    Docker,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidExport {
    #[error(transparent)]
    Csv(#[from] InvalidCsv),
    #[error("it has no type: write type={}", Kind::NAMES.join("|"))]
    NoType,
    #[error("{kind:?} is no type of output: write type={}", Kind::NAMES.join("|"))]
    UnknownKind { kind: String },
    #[error("type={kind} is refused: {reason}")]
    Refused { kind: &'static str, reason: &'static str },
    #[error("type={kind} has no {key}: it takes {}", allowed.join(", "))]
    UnknownKey { kind: &'static str, key: String, allowed: Vec<&'static str> },
    #[error("{key} is refused: {reason}")]
    RefusedKey { key: String, reason: &'static str },
    #[error("{key}={value} is neither true nor false")]
    NoBoolean { key: &'static str, value: String },
    #[error("type={kind} needs a directory: add dest=DIRECTORY")]
    NoDirectory { kind: &'static str },
    #[error("type={kind} needs a file: add dest=FILE")]
    NoFile { kind: &'static str },
    #[error("{key}={value:?}: {reason}")]
    Value { key: &'static str, value: String, reason: String },
    #[error(transparent)]
    Rootfs(#[from] InvalidRootfs),
    #[error("dest= is empty: name a file, a directory or - for stdout")]
    EmptyDestination,
    #[error("type=docker is a file: only type=oci takes tar=false")]
    UnpackedDocker,
    #[error(transparent)]
    Image(#[from] InvalidImage),
}

impl Export {
    /// What `--push` adds.
    pub(crate) fn pushed() -> Self {
        Self::Image(ImageOptions { push: true, ..ImageOptions::default() })
    }

    pub(crate) fn image_mut(&mut self) -> Option<&mut ImageOptions> {
        match self {
            Self::Image(image)
            | Self::Archive { image, .. }
            | Self::Load(image)
            | Self::Rootfs { image, .. } => Some(image),
            Self::Tree { .. } => None,
        }
    }

    pub(crate) fn destination(&self) -> Option<&Destination> {
        match self {
            Self::Archive { destination, .. }
            | Self::Tree { destination, .. }
            | Self::Rootfs { destination, .. } => Some(destination),
            Self::Image(_) | Self::Load(_) => None,
        }
    }
}

impl FromStr for Export {
    type Err = InvalidExport;

    fn from_str(text: &str) -> Result<Self, InvalidExport> {
        let fields = csv::fields(text)?;
        // As buildx has it: what is no list is a place.
        if let [only] = &fields[..]
            && only == text
            && !text.starts_with("type=")
        {
            let destination = match text {
                "" => return Err(InvalidExport::EmptyDestination),
                "-" => Destination::Stdout,
                directory => Destination::Directory(directory.into()),
            };
            return Ok(Self::Tree { platform_split: false, destination });
        }
        let mut pairs = csv::pairs(fields)?;
        let kind = take(&mut pairs, "type").ok_or(InvalidExport::NoType)?;
        Kind::named(&kind)?.export(pairs)
    }
}

fn take(pairs: &mut Vec<(String, String)>, key: &str) -> Option<String> {
    let index = pairs.iter().position(|(name, _)| name == key)?;
    Some(pairs.remove(index).1)
}

/// As Go reads them, for buildx does.
fn boolean(key: &'static str, value: &str) -> Result<bool, InvalidExport> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(InvalidExport::NoBoolean { key, value: value.to_owned() }),
    }
}

fn taken(
    pairs: &mut Vec<(String, String)>,
    key: &'static str,
) -> Result<Option<bool>, InvalidExport> {
    take(pairs, key).map(|value| boolean(key, &value)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Export) {
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }

    fn image() -> ImageOptions {
        ImageOptions::default()
    }

    fn tree(destination: Destination) -> Export {
        Export::Tree { platform_split: false, destination }
    }

    fn archive(format: ArchiveFormat, destination: Destination) -> Export {
        Export::Archive { image: image(), format, destination }
    }

    #[test]
    fn places_alone() {
        check("out", tree(Destination::Directory("out".into())));
        check("out.tar", tree(Destination::Directory("out.tar".into())));
        check("-", tree(Destination::Stdout));
    }

    #[test]
    fn types_and_their_places() {
        check("type=local,dest=out", tree(Destination::Directory("out".into())));
        check("type=tar,dest=out.tar", tree(Destination::File("out.tar".into())));
        check("type=tar", tree(Destination::Stdout));
        check("\"type=local\",\"dest=a,b\"", tree(Destination::Directory("a,b".into())));
        check(
            "type=oci,dest=a.tar",
            archive(ArchiveFormat::Oci, Destination::File("a.tar".into())),
        );
        check(
            "type=oci,dest=a,tar=false",
            archive(ArchiveFormat::Oci, Destination::Directory("a".into())),
        );
        check("type=oci", archive(ArchiveFormat::Oci, Destination::Stdout));
        check("type=docker,dest=-", archive(ArchiveFormat::Docker, Destination::Stdout));
        check("type=docker", Export::Load(image()));
        check("type=registry", Export::pushed());
        check("type=image,push=true", Export::pushed());
        check("type=image,name=local/a", {
            Export::Image(ImageOptions { names: vec!["local/a".to_owned()], ..image() })
        });
        let split = Destination::Directory("out".into());
        check(
            "type=local,dest=out,platform-split=true",
            Export::Tree { platform_split: true, destination: split },
        );
    }

    #[test]
    fn what_is_unknown_or_not_there_is_refused_by_its_name() {
        let refuse = |text: &str, words: &str| {
            let told = text.parse::<Export>().unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        };
        refuse("type=local", "needs a directory");
        refuse("type=local,dest=-", "needs a directory");
        refuse("type=oci,tar=false", "needs a directory");
        refuse("type=docker,dest=a,tar=false", "only type=oci");
        refuse("type=cacheonly", "type=cacheonly is refused");
        refuse("type=floppy", "\"floppy\" is no type of output");
        refuse("dest=a,push=true", "it has no type");
        refuse("type=tar,dest=a,compression=zstd", "type=tar has no compression");
        refuse("type=image,dest=a", "type=image has no dest");
        refuse("type=image,registry.insecure=true", "registry.insecure is refused");
        refuse("type=image,annotation.a=b", "--annotation");
        refuse("type=oci,dest=a,tar=perhaps", "neither true nor false");
        refuse("type=oci,dest=", "dest= is empty");
        refuse("type=oci,type=tar", "type stands twice");
        refuse("", "dest= is empty");
    }
}

//! The types of outputs, and what each of them takes.

use super::{
    ArchiveFormat, Export, ImageOptions, InvalidExport, RootfsExport, image, rootfs, take, taken,
};
use crate::args::Destination;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Local,
    Tar,
    Oci,
    Docker,
    Image,
    Registry,
    Rootfs,
}

type Pairs = Vec<(String, String)>;

impl Kind {
    pub(super) const NAMES: [&'static str; 7] =
        ["local", "tar", "oci", "docker", "image", "registry", "rootfs"];

    pub(super) fn named(name: &str) -> Result<Self, InvalidExport> {
        let refused = |kind, reason| Err(InvalidExport::Refused { kind, reason });
        match name {
            "local" => Ok(Self::Local),
            "tar" => Ok(Self::Tar),
            "oci" => Ok(Self::Oci),
            "docker" => Ok(Self::Docker),
            "image" => Ok(Self::Image),
            "registry" => Ok(Self::Registry),
            "" => Err(InvalidExport::NoType),
            "rootfs" => Ok(Self::Rootfs),
            "cacheonly" => refused(
                "cacheonly",
                "leave --output out: a build without one is made and thrown away, and --cache-to \
                 keeps its cache",
            ),
            _ => Err(InvalidExport::UnknownKind { kind: name.to_owned() }),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Tar => "tar",
            Self::Oci => "oci",
            Self::Docker => "docker",
            Self::Image => "image",
            Self::Registry => "registry",
            Self::Rootfs => "rootfs",
        }
    }

    fn keys(self) -> Vec<&'static str> {
        let own: &[_] = match self {
            Self::Local | Self::Tar => return vec!["dest", "platform-split"],
            Self::Rootfs => return rootfs::KEYS.to_vec(),
            Self::Oci => &["dest", "tar"],
            Self::Docker => &["dest"],
            Self::Image => &["push", "push-by-digest"],
            Self::Registry => &["push-by-digest"],
        };
        own.iter().chain(&image::KEYS).copied().collect()
    }

    pub(super) fn export(self, mut pairs: Pairs) -> Result<Export, InvalidExport> {
        if let Some((key, _)) = pairs.iter().find(|(key, _)| !self.takes(key)) {
            return Err(self.refusal(key));
        }
        match self {
            Self::Local => Ok(Export::Tree {
                destination: self.directory(&mut pairs)?,
                platform_split: taken(&mut pairs, "platform-split")?.unwrap_or(false),
            }),
            Self::Tar => Ok(Export::Tree {
                destination: file(&mut pairs)?.unwrap_or(Destination::Stdout),
                platform_split: taken(&mut pairs, "platform-split")?.unwrap_or(false),
            }),
            Self::Oci => {
                let format = ArchiveFormat::Oci;
                let destination = if taken(&mut pairs, "tar")?.unwrap_or(true) {
                    file(&mut pairs)?.unwrap_or(Destination::Stdout)
                } else {
                    self.directory(&mut pairs)?
                };
                Ok(Export::Archive { image: ImageOptions::of(&mut pairs)?, format, destination })
            }
            Self::Docker => {
                if taken(&mut pairs, "tar")? == Some(false) {
                    return Err(InvalidExport::UnpackedDocker);
                }
                let destination = file(&mut pairs)?;
                let image = ImageOptions::of(&mut pairs)?;
                Ok(match destination {
                    Some(destination) => {
                        Export::Archive { image, format: ArchiveFormat::Docker, destination }
                    }
                    None => Export::Load(image),
                })
            }
            Self::Image => Ok(Export::Image(ImageOptions::of(&mut pairs)?)),
            Self::Rootfs => {
                let (rootfs, destination) = RootfsExport::of(pairs)?;
                let (image, rootfs) = (ImageOptions::default(), Box::new(rootfs));
                Ok(Export::Rootfs { image, rootfs, destination })
            }
            Self::Registry => {
                Ok(Export::Image(ImageOptions { push: true, ..ImageOptions::of(&mut pairs)? }))
            }
        }
    }

    fn takes(self, key: &str) -> bool {
        self.keys().contains(&key) || (self == Self::Docker && key == "tar")
    }

    fn refusal(self, key: &str) -> InvalidExport {
        let refused = |reason| InvalidExport::RefusedKey { key: key.to_owned(), reason };
        match key {
            _ if key.starts_with("annotation") => refused("write --annotation instead"),
            "registry.insecure" => {
                refused("the host pushes, and knows from its own settings how to reach a registry")
            }
            "attestation-prefix" => refused("a tree has no attestations"),
            "store" | "unpack" | "name-canonical" | "dangling-name-prefix" | "nydus-fs-version" => {
                refused("it is of a containerd that keeps images, and here the host does")
            }
            _ => {
                let (kind, key, allowed) = (self.name(), key.to_owned(), self.keys());
                InvalidExport::UnknownKey { kind, key, allowed }
            }
        }
    }

    fn directory(self, pairs: &mut Pairs) -> Result<Destination, InvalidExport> {
        match take(pairs, "dest").as_deref() {
            None | Some("-") => Err(InvalidExport::NoDirectory { kind: self.name() }),
            Some("") => Err(InvalidExport::EmptyDestination),
            Some(directory) => Ok(Destination::Directory(directory.into())),
        }
    }
}

fn file(pairs: &mut Pairs) -> Result<Option<Destination>, InvalidExport> {
    match take(pairs, "dest").as_deref() {
        None => Ok(None),
        Some("") => Err(InvalidExport::EmptyDestination),
        Some(file) => Ok(Some(Destination::of_file(file))),
    }
}

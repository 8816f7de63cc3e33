//! `--output`, `--push`, `--load` and `--tag` together: what the host is to make, and what is
//! brought here of it.
//!
//! One image serves every output that wants the same of it: an OCI tar, a docker tar and a push are
//! three ways out of one export.

mod asked;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use kiln_proto::v1::{self, build_export::Kind};

use self::asked::{asked, name, of_platform, refuse_what_waits};
use super::outputs::Delivery;
use crate::{
    args::{
        ArchiveFormat, BuildArguments, Compression, Destination, Export, ImageOptions, RootfsExport,
    },
    download::{Place, PlaceError},
    rootfs::Places,
};

#[derive(Debug, Default)]
pub(super) struct Exports {
    pub(super) wire: Vec<v1::BuildExport>,
    pub(super) deliveries: Vec<Delivery>,
    /// Made of its images when the build has completed.
    pub(super) rootfs: Vec<DerivedRootfs>,
}

/// A root filesystem of one of the images.
#[derive(Debug)]
pub(super) struct DerivedRootfs {
    pub(super) export: String,
    pub(super) rootfs: RootfsExport,
    pub(super) places: Places,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ExportsError {
    #[error("--push needs a name: add --tag REGISTRY/NAME[:TAG]")]
    PushOfNothing,
    #[error("push-by-digest is for a registry outside: add push=true, and a name there")]
    NothingByDigest,
    #[error("--output to {}", path.display())]
    Place { path: PathBuf, source: PlaceError },
    #[error("--load")]
    Load { source: PlaceError },
    #[error("--output to stdout")]
    Stdout { source: PlaceError },
    #[error("stdout can be one thing: one output, the record of --json, or the id of --quiet")]
    StdoutTwice,
    #[error(
        "--output to {}: nobody waits for a build of --detach, so it has no destination; write \
         type=oci or type=tar without dest=, and `kiln job download` brings it",
        path.display()
    )]
    Detached { path: PathBuf },
    #[error(
        "--output type=rootfs: nobody waits for a build of --detach, and a root filesystem is made \
         when it has completed; write -o type=image, and then `kiln rootfs --build ID -o FILE`"
    )]
    DetachedRootfs,
    #[error(
        "--output type=rootfs is of one platform, and the build is for {}: add platform=OS/ARCH",
        .platforms.join(", ")
    )]
    Platforms { platforms: Vec<String> },
    #[error("{flag}: nobody waits for a build of --detach; leave one of them out")]
    DetachedFlag { flag: &'static str },
}

impl Exports {
    pub(super) fn of(arguments: &BuildArguments) -> Result<Self, ExportsError> {
        if arguments.detach {
            refuse_what_waits(arguments)?;
        }
        let mut exports = Self::default();
        for mut export in asked(arguments) {
            if let Some(image) = export.image_mut() {
                name(image, &arguments.tag)?;
            }
            match export {
                Export::Rootfs { .. } if arguments.detach => {
                    return Err(ExportsError::DetachedRootfs);
                }
                Export::Rootfs { image, rootfs, destination } => {
                    let rootfs = of_platform(*rootfs, arguments)?;
                    exports.rootfs(image, rootfs, &destination)?;
                }
                export => exports.add(export, arguments.detach)?,
            }
        }
        let deliveries = exports.deliveries.iter().map(|delivery| &delivery.to);
        let places = deliveries.chain(exports.rootfs.iter().map(|rootfs| &rootfs.places.to));
        let stdouts = places.filter(|place| **place == Place::Stdout).count();
        if stdouts > 0 && stdouts + usize::from(arguments.json || arguments.quiet) > 1 {
            return Err(ExportsError::StdoutTwice);
        }
        Ok(exports)
    }

    fn add(&mut self, export: Export, detach: bool) -> Result<(), ExportsError> {
        let place = match export.destination() {
            None => None,
            // kilnd keeps it for later.
            Some(Destination::Stdout) if detach => None,
            Some(Destination::Directory(path) | Destination::File(path)) if detach => {
                return Err(ExportsError::Detached { path: path.clone() });
            }
            Some(destination) => Some(check(destination)?),
        };
        let (artifact, to) = match export {
            Export::Image(image) | Export::Rootfs { image, .. } => {
                self.image(image);
                return Ok(());
            }
            Export::Load(image) => {
                let docker = Place::docker().map_err(|source| ExportsError::Load { source })?;
                (format!("{}.docker.tar", self.image(image)), Some(docker))
            }
            Export::Archive { image, format, destination: _ } => {
                let end = match format {
                    ArchiveFormat::Oci => "oci",
                    ArchiveFormat::Docker => "docker",
                };
                (format!("{}.{end}.tar", self.image(image)), place)
            }
            Export::Tree { platform_split, destination: _ } => {
                let place = place.map(Place::with_links_as_they_are);
                (format!("{}.tar", self.tree(platform_split)), place)
            }
        };
        self.deliveries.extend(to.map(|to| Delivery { artifact, to }));
        Ok(())
    }

    fn rootfs(
        &mut self,
        image: ImageOptions,
        rootfs: RootfsExport,
        destination: &Destination,
    ) -> Result<(), ExportsError> {
        let to = check(destination)?;
        let metadata = rootfs.metadata.clone().map(Destination::File);
        let metadata = metadata.as_ref().map(check).transpose()?;
        let export = self.image(image);
        self.rootfs.push(DerivedRootfs { export, rootfs, places: Places { to, metadata } });
        Ok(())
    }

    /// The name of the export that is such an image.
    fn image(&mut self, options: ImageOptions) -> String {
        let wire = image(options);
        for export in &mut self.wire {
            if let Some(Kind::Image(known)) = &mut export.kind
                && *known == (v1::ImageExport { push: known.push, ..wire.clone() })
            {
                known.push |= wire.push;
                return export.name.clone();
            }
        }
        let is_image = |export: &&v1::BuildExport| matches!(export.kind, Some(Kind::Image(_)));
        let count = self.wire.iter().filter(is_image).count();
        self.push(numbered("image", count), Kind::Image(wire))
    }

    fn tree(&mut self, platform_split: bool) -> String {
        let kind = Kind::Tree(v1::TreeExport { platform_split });
        if let Some(known) = self.wire.iter().find(|known| known.kind.as_ref() == Some(&kind)) {
            return known.name.clone();
        }
        let is_tree = |export: &&v1::BuildExport| matches!(export.kind, Some(Kind::Tree(_)));
        let count = self.wire.iter().filter(is_tree).count();
        self.push(numbered("tree", count), kind)
    }

    fn push(&mut self, name: String, kind: Kind) -> String {
        self.wire.push(v1::BuildExport { name: name.clone(), kind: Some(kind) });
        name
    }
}

fn check(destination: &Destination) -> Result<Place, ExportsError> {
    Place::check(destination).map_err(|source| match destination {
        Destination::Stdout => ExportsError::Stdout { source },
        Destination::Directory(path) | Destination::File(path) => {
            ExportsError::Place { path: path.clone(), source }
        }
    })
}

fn numbered(name: &str, known: usize) -> String {
    if known == 0 { name.to_owned() } else { format!("{name}-{}", known + 1) }
}

fn image(options: ImageOptions) -> v1::ImageExport {
    let ImageOptions {
        names,
        push,
        push_by_digest,
        compression,
        compression_level,
        force_compression,
        rewrite_timestamp,
        docker_media_types,
    } = options;
    // What it is anyway makes no other image.
    let compression = match (compression, compression_level) {
        (Some(Compression::Gzip), None) => None,
        (compression, _) => compression,
    };
    v1::ImageExport {
        names,
        push,
        push_by_digest,
        compression: compression
            .map(|compression| compression.name().to_owned())
            .unwrap_or_default(),
        compression_level: compression_level.unwrap_or_default(),
        force_compression,
        rewrite_timestamp,
        docker_media_types,
    }
}

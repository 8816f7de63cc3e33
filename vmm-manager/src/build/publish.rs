//! What a build leaves as images: taken over from its disks, then pushed, then named.
//!
//! ```text
//! disks ─▶ take_over, each ─▶ all are in ─▶ pushes outside, caches first ─▶ local names ─▶ the record
//!              └── one is wrong ──▶ forget            └── one fails ──▶ no local name changes
//! ```
//! A registry never has a part of an image under a name: content goes first, names last. All of it may
//! be done again from the start, whenever a kilnd was killed: what is there already is found.

mod cache;
mod failure;

use std::{
    collections::BTreeSet, fs::File, io, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc,
};

use kiln_registry::{
    build::Maker,
    caller::Writes,
    manifest::Descriptor,
    operate::{Built, BuiltImage, Place, Reference},
};
use rustix::fs::OFlags;

pub use self::cache::cache_reference;
pub(crate) use self::failure::digest;
use super::{Content, Image, PlatformImage};
use crate::{
    fault::{self, Point},
    job::{
        Build, CacheExport, Export, ExportKind, Failure, ImageExport, JobId, JobSpec, Owner, Work,
    },
    registry::Service,
};

/// What a job's guest may push to this host's registry: all of its tenant's own, but of a build only
/// the caches that it was told to export, under names that nobody else reads.
pub fn writes(job: &JobId, spec: &JobSpec) -> Writes {
    let Work::Build(build) = &spec.work else { return Writes::All };
    let caches = build.cache_to.iter().enumerate();
    let names: BTreeSet<_> = caches.filter_map(|(at, cache)| cache::name(job, at, cache)).collect();
    Writes::Only(names)
}

/// The image that an export wrote to its disk, counted, hashed and kept under no name.
///
/// # Cancel safety
/// Safe: nothing of it is kept then.
pub async fn take_over(
    registry: &Service,
    owner: &Owner,
    job: &JobId,
    export: &Export,
    disk: &Path,
    length: u64,
) -> Result<Image, Failure> {
    let maker = maker(owner, job)?;
    let name = &export.name;
    let opened = open(disk).map_err(|error| failure::disk(&error).with("output", name))?;
    let built = registry.images().ingest_build(&maker, opened, length).await;
    let built = built.map_err(|error| failure::ingest(&error).with("output", name))?;
    Ok(image(name.clone(), built))
}

/// Gives the images their names, when all of them are in. Their `names` are what they are called then.
///
/// # Cancel safety
/// Safe, and may be done again: what was pushed stays pushed, and nothing is named twice.
pub async fn publish(
    registry: &Service,
    owner: &Owner,
    job: &JobId,
    build: &Build,
    mut images: Vec<Image>,
) -> Result<Vec<Image>, Failure> {
    let publisher = Publisher { registry, owner, job, maker: maker(owner, job)? };
    publisher.caches(build, false).await?;
    let exports: Vec<_> = build.exports.iter().filter_map(named).collect();
    for (name, export) in &exports {
        if export.push {
            for image in images.iter_mut().filter(|image| image.export == *name) {
                publisher.push(image, export).await?;
            }
        }
    }
    fault::at(Point::Pushed);
    publisher.caches(build, true).await?;
    for (name, export) in &exports {
        for image in images.iter_mut().filter(|image| image.export == *name) {
            publisher.name(image, export).await?;
            fault::at(Point::Named);
        }
    }
    Ok(images)
}

/// Nothing is kept of what a build made but what has a name.
pub async fn forget(registry: &Service, owner: &Owner, job: &JobId) -> Result<(), Failure> {
    let forgotten = registry.images().forget_build(&maker(owner, job)?).await;
    forgotten.map_err(|error| failure::operate(&error))
}

pub(crate) fn maker(owner: &Owner, job: &JobId) -> Result<Maker, Failure> {
    Maker::new(owner.tenant.clone(), job.as_str())
        .map_err(|error| Failure::infrastructure("publish", &error))
}

/// The guest's own user may have put something else in its place.
fn open(disk: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = flags.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(disk)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other("it is not the regular file that was made as an output disk"))
}

fn named(export: &Export) -> Option<(&str, &ImageExport)> {
    match &export.kind {
        ExportKind::Image(image) => Some((&export.name, image)),
        ExportKind::Tree { .. } => None,
    }
}

struct Publisher<'a> {
    registry: &'a Service,
    owner: &'a Owner,
    job: &'a JobId,
    maker: Maker,
}

impl Publisher<'_> {
    async fn push(&self, image: &mut Image, export: &ImageExport) -> Result<(), Failure> {
        let digest = digest(&image.content.digest)?;
        let caller = self.registry.caller_of(&self.owner.tenant);
        for name in &export.names {
            let target: Reference = failure::reference(name)?;
            if target.place == Place::Local {
                continue;
            }
            let by_digest = export.push_by_digest;
            let images = self.registry.images();
            let progress = Arc::new(|_| ());
            let progress = progress as _;
            let maker = &self.maker;
            // What speaks with a registry is large.
            let pushed =
                Box::pin(images.push_build(&caller, maker, digest, &target, by_digest, &progress))
                    .await
                    .map_err(|error| failure::push(&error, name))?;
            tracing::info!(job = %self.job, target = name, sent = pushed.sent, "an image is pushed");
            let called = if by_digest {
                Reference { tag: None, digest: Some(digest), ..target }.to_string()
            } else {
                target.to_string()
            };
            add(image, called);
        }
        Ok(())
    }

    async fn name(&self, image: &mut Image, export: &ImageExport) -> Result<(), Failure> {
        let digest = digest(&image.content.digest)?;
        for name in &export.names {
            let target: Reference = failure::reference(name)?;
            if target.place == Place::Local {
                let images = self.registry.images();
                let named = Box::pin(images.name_build(&self.maker, digest, &target)).await;
                named.map_err(|error| failure::operate(&error).with("reference", name))?;
                add(image, target.to_string());
            }
        }
        Ok(())
    }

    /// Those that get names here, or those that go outside.
    async fn caches(&self, build: &Build, are_local: bool) -> Result<(), Failure> {
        for (at, export) in build.cache_to.iter().enumerate() {
            let CacheExport::Registry { reference, ignore_error, .. } = export else { continue };
            let target: Reference = failure::reference(reference)?;
            let brought = match cache::is_local(&target) {
                local if local != are_local => continue,
                true => cache::give_name(self, at, &target).await,
                false => cache::push(self, at, &target).await,
            };
            match brought {
                Err(failure) if *ignore_error => {
                    let (job, reason) = (self.job, failure.message);
                    tracing::warn!(%job, reference, reason, "a cache is not kept, as it may be");
                }
                brought => brought?,
            }
            if are_local {
                fault::at(Point::Named);
            }
        }
        Ok(())
    }
}

fn add(image: &mut Image, name: String) {
    if !image.names.contains(&name) {
        image.names.push(name);
    }
}

fn image(export: String, built: Built) -> Image {
    let Built { root, total_bytes, images } = built;
    Image {
        export,
        content: content(&root),
        total_bytes,
        platforms: images.iter().map(platform).collect(),
        names: Vec::new(),
    }
}

fn platform(image: &BuiltImage) -> PlatformImage {
    let BuiltImage { platform, manifest, config, layers, attestations } = image;
    PlatformImage {
        platform: platform.to_string(),
        manifest: content(manifest),
        config: content(config),
        layers: layers.iter().map(content).collect(),
        attestations: attestations.iter().map(content).collect(),
    }
}

fn content(descriptor: &Descriptor) -> Content {
    Content {
        digest: descriptor.digest.to_string(),
        media_type: descriptor.media_type.clone(),
        size_bytes: descriptor.size,
    }
}

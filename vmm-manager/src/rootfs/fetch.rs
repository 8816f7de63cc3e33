//! Images that the host brings for a root filesystem: written as a tar of an OCI layout to a file,
//! which is a disk of the converter's guest.

mod failure;

use std::{io, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use kiln_registry::{
    content::Chunks,
    operate::{Form, OperateError, Place, Platforms, Reference},
};
use tokio::{fs, io::AsyncWriteExt as _, time::error::Elapsed};
use tokio_stream::StreamExt as _;

use crate::{
    build::{Image, publish},
    job::{Failure, JobId, Owner, Step, rootfs::RootfsImage},
    registry::Service,
};

/// Disks have whole blocks.
const BLOCK_BYTES: u64 = 4096;

/// Where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Not there yet.
    pub path: &'a Path,
    pub most_bytes: u64,
}

/// What was brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Of what the name means.
    pub digest: String,
    /// It is what was stored: its registry was not asked, or did not answer.
    pub is_stale: bool,
}

/// By its name: from its registry, through the mirror and with the tenant's rights, or one of the
/// tenant's own.
///
/// # Cancel safety
/// Safe: the file is left as it is.
pub async fn by_name(
    registry: &Service,
    owner: &Owner,
    name: &str,
    platform: &str,
    target: Target<'_>,
) -> Result<Fetched, Failure> {
    let failed = |error: OperateError| failure::operate(&error, name);
    let reference: Reference = name.parse().map_err(|error| failed(OperateError::from(error)))?;
    let platforms: Platforms =
        platform.parse().map_err(|error| failed(OperateError::from(error)))?;
    let images = registry.images();
    let (digest, is_stale) = match reference.place {
        Place::Registry(_) => {
            let caller = registry.caller_of(&owner.tenant);
            let progress = Arc::new(|_| ()) as _;
            // What speaks with a registry is large.
            let pulled = Box::pin(images.pull(&caller, &reference, &platforms, &progress)).await;
            let pulled = pulled.map_err(failed)?;
            (pulled.image.digest, pulled.is_stale)
        }
        Place::Local => {
            let stored = images.inspect(&owner.tenant, &reference).await.map_err(failed)?;
            (stored.image.digest, false)
        }
    };
    // What the name means now, whatever it means in a moment.
    let exact = Reference { digest: Some(digest), ..reference };
    let chunks = images.export(&owner.tenant, &exact, Some(&platforms)).await.map_err(failed)?;
    write(chunks, target).await?;
    Ok(Fetched { digest: digest.to_string(), is_stale })
}

/// The image that a build of the tenant has left.
///
/// # Cancel safety
/// Safe: the file is left as it is.
pub async fn of_build(
    registry: &Service,
    owner: &Owner,
    build: &JobId,
    image: &Image,
    target: Target<'_>,
) -> Result<Fetched, Failure> {
    let maker = publish::maker(owner, build)?;
    let digest = publish::digest(&image.content.digest)?;
    let planned = registry.images().plan_build(&maker, digest, Form::Oci, &[]).await;
    let name = format!("the image of build {build}");
    let plan = planned.map_err(|error| failure::operate(&error, &name))?;
    write(plan.read(None), target).await?;
    Ok(Fetched { digest: digest.to_string(), is_stale: false })
}

/// The host's patience for it is at an end.
pub fn late(source: &RootfsImage, elapsed: &Elapsed) -> Failure {
    let reference: Option<Reference> = match source {
        RootfsImage::Reference(name) => name.parse().ok(),
        RootfsImage::Build { .. } | RootfsImage::Upload(_) => None,
    };
    match reference {
        Some(Reference { place: Place::Registry(host), name, .. }) => failure::slow(&host, &name),
        // All of it is here.
        Some(_) | None => Failure::infrastructure(Step::Fetch, elapsed),
    }
}

async fn write(mut chunks: Chunks, target: Target<'_>) -> Result<(), Failure> {
    let Target { path, most_bytes } = target;
    let failed = |error: &io::Error| failure::write(error);
    let mut file = fs::File::create_new(path).await.map_err(|error| failed(&error))?;
    // Its machine's user reads it; nobody else comes near it.
    let everybody = std::fs::Permissions::from_mode(0o644);
    file.set_permissions(everybody).await.map_err(|error| failed(&error))?;
    let mut written: u64 = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| failed(&error))?;
        written = written.saturating_add(chunk.len() as u64);
        if written > most_bytes {
            return Err(failure::too_large(most_bytes));
        }
        file.write_all(&chunk).await.map_err(|error| failed(&error))?;
    }
    file.flush().await.map_err(|error| failed(&error))?;
    let whole = written.max(1).next_multiple_of(BLOCK_BYTES);
    file.set_len(whole).await.map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests;

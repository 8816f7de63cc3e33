//! Further modules of an image's own kernel, for whoever boots it as something else than a guest.
//!
//! An image carries what a guest needs and no more; the rest is in the package that its manifest
//! names. It is fetched once for each kernel and set of modules.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    archive::{Archive, ArchiveError},
    cache::{Cache, CacheError},
    digest::Digest,
    guest_image::{GuestImage, OpenError},
    kernel::{self, Kernel, KernelError, Module},
    manifest::{self, Manifest, Package},
};

/// In the directory: the files' names, one a line, each after what it needs.
pub const MODULES_ORDER: &str = "order";

/// Why they are not there.
#[derive(Debug, thiserror::Error)]
pub enum FurtherModulesError {
    #[error(transparent)]
    Image(#[from] OpenError),
    #[error("the manifest in {directory} names no package of the kernel {release}")]
    Unnamed { directory: PathBuf, release: String },
    #[error("the cache of images")]
    Cache(#[from] CacheError),
    #[error("Debian's archive")]
    Archive(#[from] ArchiveError),
    #[error("the kernel's package could not be had")]
    Kernel(#[from] KernelError),
    #[error("{path} could not be read or written")]
    Io { path: PathBuf, source: io::Error },
}

/// A directory with the modules of that name, and all that they need, of the kernel of the image in
/// `image`. In the user's cache.
pub fn further_modules(image: &Path, names: &[&str]) -> Result<PathBuf, FurtherModulesError> {
    let package = kernel_package(image)?;
    let inputs = format!("modules {}={}\n{}", package.name, package.version, names.join("\n"));
    let key = Digest::of(inputs.as_bytes());
    let cache = Cache::open(&Cache::default_directory()?)?;
    let entry = cache.entry(key);
    if entry.is_dir() {
        return Ok(entry);
    }
    let lock = cache.lock()?;
    let (scratch, finished) = (lock.scratch()?, lock.scratch()?);
    tracing::info!(package = package.name, "fetching further modules of the kernel");
    let archive = Archive::fetch(scratch.path().join("apt"))?;
    let Kernel { modules, .. } = Kernel::fetch(&archive, &package, names, scratch.path())?;
    let write = |file: &str, content: &[u8]| {
        let path = finished.path().join(file);
        fs::write(&path, content).map_err(|source| FurtherModulesError::Io { path, source })
    };
    let mut order = String::new();
    for Module { file, content } in &modules {
        write(file, content)?;
        order.push_str(file);
        order.push('\n');
    }
    write(MODULES_ORDER, order.as_bytes())?;
    Ok(lock.publish(finished, key)?)
}

/// Of which the image's kernel was taken.
fn kernel_package(image: &Path) -> Result<Package, FurtherModulesError> {
    let release = GuestImage::open(image)?.kernel_release;
    let path = image.join(manifest::FILE_NAME);
    let text =
        fs::read(&path).map_err(|source| FurtherModulesError::Io { path: path.clone(), source })?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|source| OpenError::Malformed { path, source })?;
    let name = format!("{}{release}", kernel::PACKAGE_PREFIX);
    let named = manifest.packages.into_iter().find(|package| package.name == name);
    named.ok_or_else(|| FurtherModulesError::Unnamed { directory: image.to_path_buf(), release })
}

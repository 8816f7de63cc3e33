//! The guest's kernel and its modules, out of Debian's package.

mod bzimage;
mod modules;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use self::{
    bzimage::BzImageError,
    modules::{Modules, ModulesError},
};
use crate::{
    archive::{Archive, ArchiveError},
    deb::{self, DebError},
    manifest::Package,
};

/// What every cloud kernel's package name starts with; the release follows.
pub(crate) const PACKAGE_PREFIX: &str = "linux-image-";

/// A kernel, ready to boot.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// What `uname -r` says.
    pub(crate) release: String,
    /// The file's name in an image: whether a VMM finds an ELF file or a boot sector in it.
    pub(crate) file: &'static str,
    pub(crate) content: Vec<u8>,
    /// In the order in which they are to be loaded.
    pub(crate) modules: Vec<Module>,
}

/// A kernel module, decompressed.
#[derive(Debug)]
pub(crate) struct Module {
    /// `virtio_blk.ko`
    pub(crate) file: String,
    pub(crate) content: Vec<u8>,
}

/// Why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error("the package {package} holds no boot/vmlinuz-{release}")]
    Absent { package: String, release: String },
    #[error("{path} could not be made")]
    Write { path: PathBuf, source: io::Error },
    #[error("the package {package} could not be read")]
    Deb { package: String, source: DebError },
    #[error("the kernel could not be unpacked")]
    BzImage(#[from] BzImageError),
    #[error("the kernel's modules could not be had")]
    Modules(#[from] ModulesError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl Kernel {
    /// Fetches the package and takes out of it what a guest needs, working in `scratch`.
    pub(crate) fn fetch(
        archive: &Archive,
        package: &Package,
        wanted: &[&str],
        scratch: &Path,
    ) -> Result<Self, KernelError> {
        let download = scratch.join("kernel");
        fs::create_dir(&download)
            .map_err(|source| KernelError::Write { path: download.clone(), source })?;
        let file = archive.download(package, &download)?;
        let name = package.name.clone();
        let release = name.trim_start_matches(PACKAGE_PREFIX).to_owned();
        let boot = format!("boot/vmlinuz-{release}");
        let directory = format!("usr/lib/modules/{release}/kernel/");
        let mut files = deb::files(&file, &scratch.join("kernel.tar"), |path| {
            path == boot || path.starts_with(&directory)
        })
        .map_err(|source| KernelError::Deb { package: name.clone(), source })?;
        let Some(position) = files.iter().position(|(path, _)| *path == boot) else {
            return Err(KernelError::Absent { package: name, release });
        };
        let (_, compressed) = files.swap_remove(position);
        let modules = Modules::new(files).load_order(wanted)?;
        // A direct ELF start spares the guest the decompression of its own kernel.
        let (file, content) = match bzimage::vmlinux(&compressed)? {
            Some(vmlinux) => ("vmlinux", vmlinux),
            None => ("vmlinuz", compressed),
        };
        Ok(Self { release, file, content, modules })
    }
}

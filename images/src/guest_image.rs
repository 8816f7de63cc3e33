//! A guest image directory, opened.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    digest::Digest,
    manifest::{self, FileEntry, KernelEntry, Manifest},
};

/// Everything a VM boots from: complete, and of this machine's architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestImage {
    pub architecture: String,
    pub kernel: ImageFile,
    /// What `uname -r` says in the guest.
    pub kernel_release: String,
    pub initramfs: ImageFile,
    /// The golden root, an ext4 file system that guests only read.
    pub root: ImageFile,
    /// A tar of static programs that a job may be handed, as a disk: each under its name.
    pub tools: ImageFile,
    /// What the kernel's command line starts with.
    pub command_line: String,
    pub agent_version: String,
}

/// One file of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Absolute.
    pub path: PathBuf,
    /// `sha256:` and 64 hex digits, as the manifest has it; see [`GuestImage::verify`].
    pub sha256: String,
    pub size: u64,
}

/// Why a directory is no guest image that can be booted here.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("there is no guest image in {directory}: make one with `cargo xtask image`")]
    Absent { directory: PathBuf },
    #[error("{path} could not be read")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} is no manifest of a guest image: make the image anew with `cargo xtask image`")]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error(
        "{path} has format {found} and this Kiln reads format {expected}: make the image anew with \
         `cargo xtask image`"
    )]
    Format { path: PathBuf, found: u32, expected: u32 },
    #[error("{path}: {field} is {value:?}, which is {problem}")]
    Field { path: PathBuf, field: &'static str, value: String, problem: &'static str },
    #[error(
        "{path} is for {found} and this machine is {expected}: make an image on a machine of this \
         architecture"
    )]
    Architecture { path: PathBuf, found: String, expected: &'static str },
    #[error("{path} is missing: make the image anew with `cargo xtask image`")]
    Missing { path: PathBuf },
    #[error(
        "{path} has {found} bytes and its manifest says {expected}: make the image anew with \
         `cargo xtask image`"
    )]
    Size { path: PathBuf, found: u64, expected: u64 },
    #[error(
        "{path} was altered, its digest is {found} and not {expected}: make the image anew with \
         `cargo xtask image`"
    )]
    Altered { path: PathBuf, found: String, expected: String },
}

impl GuestImage {
    /// Reads the manifest and checks that its files are there and as long as it says. Their
    /// content is [`verify`](Self::verify)'s business, which takes a second and not a millisecond.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        let directory = directory.as_ref();
        let absent = || OpenError::Absent { directory: directory.to_path_buf() };
        let directory = fs::canonicalize(directory).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => absent(),
            _ => OpenError::Unreadable { path: directory.to_path_buf(), source },
        })?;
        let path = directory.join(manifest::FILE_NAME);
        let text = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => absent(),
            _ => OpenError::Unreadable { path: path.clone(), source },
        })?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|source| OpenError::Malformed { path: path.clone(), source })?;
        Self::resolve(&directory, &path, manifest)
    }

    fn resolve(directory: &Path, path: &Path, manifest: Manifest) -> Result<Self, OpenError> {
        let Manifest {
            format,
            architecture,
            kernel: KernelEntry { file, sha256, size, release },
            initramfs,
            root,
            tools,
            command_line,
            agent_version,
            packages: _,
        } = manifest;
        let path = path.to_path_buf();
        if format != manifest::FORMAT {
            return Err(OpenError::Format { path, found: format, expected: manifest::FORMAT });
        }
        if architecture != std::env::consts::ARCH {
            let expected = std::env::consts::ARCH;
            return Err(OpenError::Architecture { path, found: architecture, expected });
        }
        if command_line.contains(['\n', '\0']) {
            let (field, problem) = ("command_line", "more than one line");
            return Err(OpenError::Field { path, field, value: command_line, problem });
        }
        let kernel = FileEntry { file, sha256, size };
        Ok(Self {
            architecture,
            kernel: ImageFile::find(directory, &path, "kernel", kernel)?,
            kernel_release: release,
            initramfs: ImageFile::find(directory, &path, "initramfs", initramfs)?,
            root: ImageFile::find(directory, &path, "root", root)?,
            tools: ImageFile::find(directory, &path, "tools", tools)?,
            command_line,
            agent_version,
        })
    }

    /// Whether opening an image with this manifest would give the same.
    pub(crate) fn is_described_by(&self, manifest: &Manifest) -> bool {
        let same = |file: &ImageFile, name: &str, sha256: &str| {
            file.path.file_name().is_some_and(|own| own == name) && file.sha256 == sha256
        };
        same(&self.kernel, &manifest.kernel.file, &manifest.kernel.sha256)
            && same(&self.initramfs, &manifest.initramfs.file, &manifest.initramfs.sha256)
            && same(&self.root, &manifest.root.file, &manifest.root.sha256)
            && same(&self.tools, &manifest.tools.file, &manifest.tools.sha256)
            && self.command_line == manifest.command_line
            && self.agent_version == manifest.agent_version
    }

    /// Reads every byte of the image and compares the digests.
    pub fn verify(&self) -> Result<(), OpenError> {
        let Self {
            architecture: _,
            kernel,
            kernel_release: _,
            initramfs,
            root,
            tools,
            command_line: _,
            agent_version: _,
        } = self;
        [kernel, initramfs, root, tools].into_iter().try_for_each(ImageFile::verify)
    }
}

impl ImageFile {
    fn find(
        directory: &Path,
        manifest: &Path,
        field: &'static str,
        entry: FileEntry,
    ) -> Result<Self, OpenError> {
        let FileEntry { file, sha256, size } = entry;
        let invalid = |value: &str, problem| OpenError::Field {
            path: manifest.to_path_buf(),
            field,
            value: value.to_owned(),
            problem,
        };
        if file.is_empty() || file.starts_with('.') || file.contains(['/', '\0']) {
            return Err(invalid(&file, "not the name of a file beside the manifest"));
        }
        if sha256.parse::<Digest>().is_err() {
            return Err(invalid(&sha256, "not `sha256:` and 64 lower-case hex digits"));
        }
        let path = directory.join(&file);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if !metadata.is_file() => Err(invalid(&file, "not a regular file")),
            Ok(metadata) if metadata.len() != size => {
                Err(OpenError::Size { path, found: metadata.len(), expected: size })
            }
            Ok(_) => Ok(Self { path, sha256, size }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                Err(OpenError::Missing { path })
            }
            Err(source) => Err(OpenError::Unreadable { path, source }),
        }
    }

    fn verify(&self) -> Result<(), OpenError> {
        let Self { path, sha256, size: _ } = self;
        let found = Digest::of_file(path)
            .map_err(|source| OpenError::Unreadable { path: path.clone(), source })?
            .to_string();
        if found == *sha256 {
            return Ok(());
        }
        Err(OpenError::Altered { path: path.clone(), found, expected: sha256.clone() })
    }
}

#[cfg(test)]
mod tests;

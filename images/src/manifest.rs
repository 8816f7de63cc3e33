//! `manifest.json`: what a guest image directory holds.

use serde::{Deserialize, Serialize};

/// The only layout of a guest image directory that this code reads and writes.
pub(crate) const FORMAT: u32 = 2;

/// The file's name in the image directory.
pub(crate) const FILE_NAME: &str = "manifest.json";

/// The file as it stands on disk; [`crate::GuestImage::open`] is what makes it trustworthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    pub architecture: String,
    pub kernel: KernelEntry,
    pub initramfs: FileEntry,
    pub root: FileEntry,
    pub tools: FileEntry,
    pub command_line: String,
    pub agent_version: String,
    pub packages: Vec<Package>,
}

/// A file of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Relative to the manifest, without a directory part.
    pub file: String,
    /// `sha256:` and 64 hex digits.
    pub sha256: String,
    pub size: u64,
}

/// The kernel, which also has a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelEntry {
    pub file: String,
    pub sha256: String,
    pub size: u64,
    /// What `uname -r` says in the guest.
    pub release: String,
}

/// A Debian package that the image was made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    pub name: String,
    pub version: String,
}

//! Which version of each package an image is made of.
//!
//! Debian's archive moves, so a recipe alone does not say what comes out. The first build of a
//! recipe asks the archive and writes down what it answered; later builds, with or without a
//! network, make the same image of it, until somebody asks to refresh.

use serde::{Deserialize, Serialize};

use crate::{
    architecture::HOST,
    archive::{Archive, ArchiveError},
    digest::Digest,
    kernel,
    manifest::Package,
    recipe,
};

/// The file's name in the cache entry of the recipe.
pub(crate) const FILE_NAME: &str = "packages.json";

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackageList {
    pub(crate) kernel: Package,
    /// All of them, dependencies too, by name.
    pub(crate) root: Vec<Package>,
}

impl PackageList {
    /// Asks the archive.
    pub(crate) fn resolve(archive: &Archive) -> Result<Self, ArchiveError> {
        let meta = format!("{}cloud-{}", kernel::PACKAGE_PREFIX, HOST.debian);
        let with_release = |package: &Package| {
            let release = package.name.strip_prefix(kernel::PACKAGE_PREFIX);
            release.is_some_and(|release| release.starts_with(|first: char| first.is_ascii_digit()))
        };
        let kernels = archive.resolve(&[&meta])?;
        let kernel = kernels.into_iter().find(with_release);
        let kernel = kernel.ok_or(ArchiveError::Simulation { line: meta })?;
        let mut wanted = vec!["?essential"];
        wanted.extend(recipe::PACKAGES);
        Ok(Self { kernel, root: archive.resolve(&wanted)? })
    }

    /// Names these versions.
    pub(crate) fn digest(&self) -> Digest {
        let Self { kernel, root } = self;
        let line = |Package { name, version }: &Package| format!("{name}={version}\n");
        let lines: Vec<_> = std::iter::once(kernel).chain(root).map(line).collect();
        Digest::of(lines.concat().as_bytes())
    }

    /// Names all that kernel and root are made of: the recipe and these versions.
    pub(crate) fn key(&self, recipe: Digest) -> Digest {
        Digest::of(format!("{recipe}\n{}", self.digest()).as_bytes())
    }

    /// For the manifest.
    pub(crate) fn all(&self) -> Vec<Package> {
        let mut all = self.root.clone();
        all.push(self.kernel.clone());
        all.sort();
        all
    }
}

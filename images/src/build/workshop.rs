//! Where the slow parts are made, each at most once.

use std::{
    cell::OnceCell,
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::BuildError;
use crate::{
    archive::Archive,
    base::Base,
    cache::{Cache, CacheLock},
    digest::Digest,
    ledger::Ledger,
    manifest::{FileEntry, KernelEntry},
    package_list::{self, PackageList},
    recipe,
};

/// The cache, locked, and what is fetched on the way.
pub(super) struct Workshop<'a> {
    cache: &'a Cache,
    lock: &'a CacheLock<'a>,
    recipe: Digest,
    /// Fetched when something asks for it, once.
    archive: OnceCell<(Archive, TempDir)>,
}

impl<'a> Workshop<'a> {
    pub(super) fn new(cache: &'a Cache, lock: &'a CacheLock<'a>) -> Self {
        Self { cache, lock, recipe: recipe::digest(), archive: OnceCell::new() }
    }

    fn archive(&self) -> Result<&Archive, BuildError> {
        if let Some((archive, _)) = self.archive.get() {
            return Ok(archive);
        }
        tracing::info!(suite = recipe::SUITE, "fetching the indexes of Debian's archive");
        let scratch = self.lock.scratch()?;
        let archive = Archive::fetch(scratch.path().join("apt"))?;
        let (archive, _) = self.archive.get_or_init(|| (archive, scratch));
        Ok(archive)
    }

    /// The versions to build of: those that were resolved for this recipe before, or today's.
    pub(super) fn packages(&self, refresh: bool) -> Result<PackageList, BuildError> {
        let entry = self.cache.entry(self.recipe).join(package_list::FILE_NAME);
        let known = fs::read(&entry).ok().and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(known) = known
            && !refresh
        {
            return Ok(known);
        }
        let packages = PackageList::resolve(self.archive()?)?;
        let finished = self.lock.scratch()?;
        let path = finished.path().join(package_list::FILE_NAME);
        let text = serde_json::to_vec_pretty(&packages).map_err(io::Error::from);
        text.and_then(|text| fs::write(&path, text))
            .map_err(|source| BuildError::Write { path, source })?;
        self.lock.publish(finished, self.recipe)?;
        Ok(packages)
    }

    pub(super) fn base(&self, packages: &PackageList) -> Result<(PathBuf, Base), BuildError> {
        let key = packages.key(self.recipe);
        let entry = self.cache.entry(key);
        if let Some(base) = Base::open(&entry) {
            return Ok((entry, base));
        }
        let finished = self.lock.scratch()?;
        let (base, _) = self.make(packages, finished.path())?;
        Ok((self.lock.publish(finished, key)?, base))
    }

    /// As [`base`](Self::base), and not believing that once is enough.
    pub(super) fn base_made_twice(
        &self,
        packages: &PackageList,
    ) -> Result<(PathBuf, Base), BuildError> {
        let key = packages.key(self.recipe);
        let (first, second) = (self.lock.scratch()?, self.lock.scratch()?);
        let (base, ledger) = self.make(packages, first.path())?;
        let (again, ledger_again) = self.make(packages, second.path())?;
        compare(&base, &again, || ledger.differences(&ledger_again))?;
        let entry = self.cache.entry(key);
        if let Some(cached) = Base::open(&entry) {
            // Made at another time, perhaps on another machine.
            compare(&cached, &base, Vec::new)?;
            return Ok((entry, cached));
        }
        Ok((self.lock.publish(first, key)?, base))
    }

    fn make(&self, packages: &PackageList, into: &Path) -> Result<(Base, Ledger), BuildError> {
        let scratch = self.lock.scratch()?;
        Ok(Base::make(self.archive()?, packages, scratch.path(), into)?)
    }
}

fn compare(
    base: &Base,
    other: &Base,
    differing: impl FnOnce() -> Vec<String>,
) -> Result<(), BuildError> {
    let Base { kernel: KernelEntry { sha256, .. }, root, modules, packages: _ } = base;
    let modules_digest = |modules: &[FileEntry]| {
        let digests: Vec<_> = modules.iter().map(|module| &*module.sha256).collect();
        Digest::of(digests.join("\n").as_bytes()).to_string()
    };
    let pairs = [
        ("the kernel", sha256.clone(), other.kernel.sha256.clone()),
        ("the set of modules", modules_digest(modules), modules_digest(&other.modules)),
        ("the golden root", root.sha256.clone(), other.root.sha256.clone()),
    ];
    match pairs.into_iter().find(|(_, one, other)| one != other) {
        None => Ok(()),
        Some((what, one, other)) => {
            Err(BuildError::NotReproducible { what, one, other, differing: differing() })
        }
    }
}

//! How an image comes to be: `packages → base (kernel, modules, root) → initramfs → image`, each
//! step taken from the cache when its inputs are what they were.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    agent::{self, AgentError},
    archive::{Archive, ArchiveError},
    base::{self, Base, BaseError},
    cache::{self, Cache, CacheError, CacheLock},
    cpio::TooLarge,
    digest::Digest,
    guest_image::{GuestImage, OpenError},
    initramfs,
    ledger::Ledger,
    manifest::{self, FileEntry, KernelEntry, Manifest},
    package_list::{self, PackageList},
    recipe,
};

const INITRAMFS: &str = "initramfs.cpio";

/// What is to be built.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The static binary that becomes `/init`.
    pub agent: PathBuf,
    /// As the manifest will have it.
    pub agent_version: String,
    /// Where the image goes; into the cache when none is named.
    pub output: Option<PathBuf>,
    /// `${XDG_CACHE_HOME:-~/.cache}/kiln` when none is named.
    pub cache: Option<PathBuf>,
    /// Ask Debian's archive for newer packages first.
    pub refresh: bool,
    /// Make kernel and root twice, from nothing, and compare.
    pub verify_reproducible: bool,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the agent")]
    Agent(#[from] AgentError),
    #[error("{path} could not be written")]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "two builds of the same packages differ: {what} is {one} and {other}{}",
        listed(differing)
    )]
    NotReproducible { what: &'static str, one: String, other: String, differing: Vec<String> },
    #[error("the cache of images")]
    Cache(#[from] CacheError),
    #[error("Debian's archive")]
    Archive(#[from] ArchiveError),
    #[error("the image's base could not be made")]
    Base(#[from] BaseError),
    #[error("the initramfs could not be packed")]
    Initramfs(#[from] TooLarge),
    #[error("the finished image does not open")]
    Open(#[from] OpenError),
}

fn listed(paths: &[String]) -> String {
    paths.iter().take(20).flat_map(|path| ["\n  ", path]).collect()
}

/// Builds an image, or finds it built.
pub fn build(request: &BuildRequest) -> Result<GuestImage, BuildError> {
    let BuildRequest { agent, agent_version, output, cache, refresh, verify_reproducible } =
        request;
    let directory = cache.clone().map_or_else(Cache::default_directory, Ok)?;
    let cache = Cache::open(&directory)?;
    let agent = agent::read(agent)?;
    let lock = cache.lock()?;
    let workshop = Workshop { cache: &cache, lock: &lock, recipe: recipe::digest() };
    let packages = workshop.packages(*refresh)?;
    let (directory, base) = if *verify_reproducible {
        workshop.base_made_twice(&packages)?
    } else {
        workshop.base(&packages)?
    };
    let initramfs = initramfs::pack(&agent, &base.modules(&directory)?)?;
    let place = match output {
        Some(output) => output.clone(),
        None => {
            let inputs = [
                base.root.sha256.clone(),
                base.kernel.sha256.clone(),
                Digest::of(&initramfs).to_string(),
                recipe::COMMAND_LINE.to_owned(),
                agent_version.clone(),
            ];
            cache.entry(Digest::of(inputs.join("\n").as_bytes()))
        }
    };
    assemble(&directory, base, &initramfs, agent_version, &place)
}

/// Puts the parts of an image into a directory, and that where it belongs.
fn assemble(
    base_directory: &Path,
    base: Base,
    initramfs: &[u8],
    agent_version: &str,
    place: &Path,
) -> Result<GuestImage, BuildError> {
    let parent = place.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let occupied = fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !place.join(manifest::FILE_NAME).is_file() {
        return Err(CacheError::Foreign { path: place.to_path_buf() }.into());
    }
    let failed = |path: PathBuf| move |source| BuildError::Write { path, source };
    fs::create_dir_all(parent).map_err(failed(parent.to_path_buf()))?;
    let image = cache::unfinished_in(parent)?;
    let Base { kernel, root, modules: _, packages } = base;
    for file in [&kernel.file, &root.file] {
        let (from, to) = (base_directory.join(file), image.path().join(file));
        // The same read-only file under a second name; a copy only where that cannot be.
        fs::hard_link(&from, &to)
            .or_else(|_| fs::copy(&from, &to).map(drop))
            .map_err(failed(to))?;
    }
    let path = image.path().join(INITRAMFS);
    fs::write(&path, initramfs).map_err(failed(path))?;
    let manifest = Manifest {
        format: manifest::FORMAT,
        architecture: std::env::consts::ARCH.to_owned(),
        kernel,
        initramfs: base::entry(image.path(), INITRAMFS)?,
        root,
        command_line: recipe::COMMAND_LINE.to_owned(),
        agent_version: agent_version.to_owned(),
        packages,
    };
    let path = image.path().join(manifest::FILE_NAME);
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::from);
    text.and_then(|text| fs::write(&path, text)).map_err(failed(path))?;
    if GuestImage::open(place).is_ok_and(|present| present.is_described_by(&manifest)) {
        return Ok(GuestImage::open(place)?);
    }
    cache::publish(image, place)?;
    Ok(GuestImage::open(place)?)
}

/// Where the slow parts are made.
struct Workshop<'a> {
    cache: &'a Cache,
    lock: &'a CacheLock<'a>,
    recipe: Digest,
}

impl Workshop<'_> {
    /// The versions to build of: those that were resolved for this recipe before, or today's.
    fn packages(&self, refresh: bool) -> Result<PackageList, BuildError> {
        let entry = self.cache.entry(self.recipe).join(package_list::FILE_NAME);
        let known = fs::read(&entry).ok().and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(known) = known
            && !refresh
        {
            return Ok(known);
        }
        tracing::info!(suite = recipe::SUITE, "asking Debian's archive for its packages");
        let scratch = self.lock.scratch()?;
        let packages = PackageList::resolve(&Archive::fetch(scratch.path().join("apt"))?)?;
        let finished = self.lock.scratch()?;
        let path = finished.path().join(package_list::FILE_NAME);
        let text = serde_json::to_vec_pretty(&packages).map_err(io::Error::from);
        text.and_then(|text| fs::write(&path, text))
            .map_err(|source| BuildError::Write { path, source })?;
        self.lock.publish(finished, self.recipe)?;
        Ok(packages)
    }

    fn base(&self, packages: &PackageList) -> Result<(PathBuf, Base), BuildError> {
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
    fn base_made_twice(&self, packages: &PackageList) -> Result<(PathBuf, Base), BuildError> {
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
        let archive = Archive::fetch(scratch.path().join("apt"))?;
        Ok(Base::make(&archive, packages, scratch.path(), into)?)
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

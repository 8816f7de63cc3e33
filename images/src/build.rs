//! How an image comes to be: `packages → base (kernel, modules, root) → initramfs → image`, each
//! step taken from the cache when its inputs are what they were.

mod workshop;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use self::workshop::Workshop;
use crate::{
    archive::ArchiveError,
    base::{self, Base, BaseError},
    cache::{self, Cache, CacheError},
    command_line::COMMAND_LINE,
    cpio::TooLarge,
    digest::Digest,
    guest_image::{GuestImage, OpenError},
    initramfs,
    manifest::{self, Manifest},
    static_program::{self, StaticProgramError},
    tools::{self, ToolsError},
};

const INITRAMFS: &str = "initramfs.cpio";
const TOOLS: &str = "tools.tar";

/// What is to be built.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The static binary that becomes `/init`.
    pub agent: PathBuf,
    /// Static binaries that come along.
    pub tools: Vec<PathBuf>,
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
    Agent(#[source] StaticProgramError),
    #[error("the guest's tools")]
    Tools(#[from] ToolsError),
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
    let BuildRequest { agent, tools, agent_version, output, cache, refresh, verify_reproducible } =
        request;
    let directory = cache.clone().map_or_else(Cache::default_directory, Ok)?;
    let cache = Cache::open(&directory)?;
    let agent = static_program::read(agent).map_err(BuildError::Agent)?;
    let tools = tools::pack(tools)?;
    let lock = cache.lock()?;
    let workshop = Workshop::new(&cache, &lock);
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
                Digest::of(&tools).to_string(),
                manifest::FORMAT.to_string(),
                COMMAND_LINE.to_owned(),
                agent_version.clone(),
            ];
            cache.entry(Digest::of(inputs.join("\n").as_bytes()))
        }
    };
    let made = [(INITRAMFS, &*initramfs), (TOOLS, &*tools)];
    assemble(&directory, base, made, agent_version, &place)
}

/// Puts the parts of an image into a directory, and that where it belongs.
fn assemble(
    base_directory: &Path,
    base: Base,
    made: [(&str, &[u8]); 2],
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
    for (name, content) in made {
        let path = image.path().join(name);
        fs::write(&path, content).map_err(failed(path))?;
    }
    let manifest = Manifest {
        format: manifest::FORMAT,
        architecture: std::env::consts::ARCH.to_owned(),
        kernel,
        initramfs: base::entry(image.path(), INITRAMFS)?,
        root,
        tools: base::entry(image.path(), TOOLS)?,
        command_line: COMMAND_LINE.to_owned(),
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

//! What an image has apart from the agent: kernel, modules and golden root. Slow to make, and it
//! outlives changes of the code.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    archive::Archive,
    digest::Digest,
    ext4::{self, Ext4Error},
    golden_root::{self, GoldenRootError, KernelModules},
    kernel::{Kernel, KernelError, Module},
    ledger::Ledger,
    manifest::{FileEntry, KernelEntry, Package},
    package_list::PackageList,
    recipe,
};

const FILE_NAME: &str = "base.json";
const ROOT: &str = "root.ext4";
const MODULES: &str = "modules";

/// A base in its directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Base {
    pub(crate) kernel: KernelEntry,
    pub(crate) root: FileEntry,
    /// In the order in which they are to be loaded.
    pub(crate) modules: Vec<FileEntry>,
    pub(crate) packages: Vec<Package>,
}

/// Why there is no base.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    #[error("the guest's kernel could not be had")]
    Kernel(#[from] KernelError),
    #[error("the golden root's tree could not be made")]
    GoldenRoot(#[from] GoldenRootError),
    #[error("the golden root's file system could not be made")]
    Ext4(#[from] Ext4Error),
    #[error("{path} could not be read or written")]
    Io { path: PathBuf, source: io::Error },
}

impl Base {
    /// Makes a base in `directory`, working in `scratch`.
    pub(crate) fn make(
        archive: &Archive,
        packages: &PackageList,
        scratch: &Path,
        directory: &Path,
    ) -> Result<(Self, Ledger), BaseError> {
        tracing::info!(package = packages.kernel.name, "unpacking the kernel");
        let wanted = [recipe::MODULES, recipe::MODULES_ON_DEMAND].concat();
        let Kernel { release, file, content, modules } =
            Kernel::fetch(archive, &packages.kernel, &wanted, scratch)?;
        let (on_demand, modules): (Vec<_>, Vec<_>) = modules.into_iter().partition(is_on_demand);
        let FileEntry { file, sha256, size } = write(directory, file, &content)?;
        let kernel = KernelEntry { file, sha256, size, release };
        let modules_directory = directory.join(MODULES);
        fs::create_dir(&modules_directory).map_err(failed(&modules_directory))?;
        let modules = modules
            .iter()
            .map(|Module { file, content }| write(&modules_directory, file, content))
            .collect::<Result<_, _>>()?;

        tracing::info!(
            packages = packages.root.len(),
            "installing the packages of the golden root"
        );
        let tar = scratch.join("root.tar");
        let on_demand = KernelModules { release: &kernel.release, modules: &on_demand };
        let ledger = golden_root::make(archive, &packages.root, &on_demand, scratch, &tar)?;
        tracing::info!(entries = ledger.len(), "making the golden root's file system");
        let root = directory.join(ROOT);
        ext4::make(&tar, packages.digest(), scratch, &root)?;
        fs::remove_file(&tar).map_err(failed(&tar))?;
        let root = entry(directory, ROOT)?;

        let base = Self { kernel, root, modules, packages: packages.all() };
        let text = serde_json::to_vec_pretty(&base).map_err(io::Error::from);
        let path = directory.join(FILE_NAME);
        text.and_then(|text| fs::write(&path, text)).map_err(failed(&path))?;
        Ok((base, ledger))
    }

    /// The base in `directory`, if it is there and whole.
    pub(crate) fn open(directory: &Path) -> Option<Self> {
        let base: Self = serde_json::from_slice(&fs::read(directory.join(FILE_NAME)).ok()?).ok()?;
        let whole = |directory: &Path, file: &str, size: u64| {
            fs::metadata(directory.join(file)).is_ok_and(|metadata| metadata.len() == size)
        };
        let Self { kernel, root, modules, packages: _ } = &base;
        let modules_directory = directory.join(MODULES);
        let complete = whole(directory, &kernel.file, kernel.size)
            && whole(directory, &root.file, root.size)
            && modules.iter().all(|module| whole(&modules_directory, &module.file, module.size));
        complete.then_some(base)
    }

    /// The modules with their content.
    pub(crate) fn modules(&self, directory: &Path) -> Result<Vec<Module>, BaseError> {
        let read = |module: &FileEntry| {
            let path = directory.join(MODULES).join(&module.file);
            let content = fs::read(&path).map_err(failed(&path))?;
            Ok(Module { file: module.file.clone(), content })
        };
        self.modules.iter().map(read).collect()
    }
}

fn is_on_demand(module: &Module) -> bool {
    let name = module.file.strip_suffix(".ko");
    name.is_some_and(|name| recipe::MODULES_ON_DEMAND.contains(&name))
}

fn write(directory: &Path, file: &str, content: &[u8]) -> Result<FileEntry, BaseError> {
    let path = directory.join(file);
    fs::write(&path, content).map_err(failed(&path))?;
    entry(directory, file)
}

/// Makes a finished file read-only and describes it.
pub(crate) fn entry(directory: &Path, file: &str) -> Result<FileEntry, BaseError> {
    let path = directory.join(file);
    let sha256 = Digest::of_file(&path).map_err(failed(&path))?.to_string();
    let metadata = fs::metadata(&path).map_err(failed(&path))?;
    let mut permissions = metadata.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o444);
    fs::set_permissions(&path, permissions).map_err(failed(&path))?;
    Ok(FileEntry { file: file.to_owned(), sha256, size: metadata.len() })
}

fn failed(path: &Path) -> impl Fn(io::Error) -> BaseError {
    let path = path.to_path_buf();
    move |source| BaseError::Io { path: path.clone(), source }
}

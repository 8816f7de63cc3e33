//! What the root of a jailed program must hold for the program to start: its own file, the loader
//! that its file names, and every library that this loader finds for it.
//!
//! It is asked once, when a driver is probed, of the loader itself, which knows its cache, its
//! search paths and what the processor can run. Each file is given at the path at which the loader
//! will look for it; that this may be a link outside is the jail's to follow.

mod elf;
mod loader;

use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use kiln_jail::{Access, JailPath};

use self::elf::Elf;

/// Which libraries the loader finds is a look into this file, where there is one.
const LOADER_CACHE: &str = "/etc/ld.so.cache";
/// Where a program without a path is looked for when the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that can be started in a root of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jailed {
    program: PathBuf,
    needs: Vec<JailPath>,
    /// `None` where it is linked statically.
    loader: Option<PathBuf>,
}

/// Why a program cannot be started in a root of its own.
#[derive(Debug, thiserror::Error)]
pub enum JailedError {
    #[error("{0} is in no directory of PATH; install it, or name its file")]
    NotFound(String),
    #[error("{program} cannot be read")]
    Unreadable { program: PathBuf, source: io::Error },
    #[error("{0} is not a file that can be executed")]
    NotExecutable(PathBuf),
    #[error("{program} is a script for {interpreter}; name the program that it starts")]
    Script { program: PathBuf, interpreter: String },
    #[error("{program} is {what}, not a program of this machine")]
    Foreign { program: PathBuf, what: &'static str },
    #[error("{program} needs {library}, which is not installed")]
    Missing { program: PathBuf, library: String },
    #[error("{program} finds {library} by a path that is not absolute: {found}")]
    Relative { program: PathBuf, library: String, found: PathBuf },
    #[error("{loader}, the loader of {program}, does not tell its libraries: {reason}")]
    Loader { program: PathBuf, loader: PathBuf, reason: String },
}

impl Jailed {
    /// Finds out what `program` needs. A name without a slash is looked for in PATH, and found once
    /// and for all: in the jail there is no PATH.
    pub async fn find(program: &Path) -> Result<Self, JailedError> {
        let program = resolved(program)?;
        let mut paths = vec![program.clone()];
        let loader = Elf::read(&program)?.loader;
        if let Some(loader) = &loader {
            paths.push(loader.clone());
            paths.extend(loader::libraries(loader, &program).await?);
        }
        let mut jailed = Self { program, needs: Vec::with_capacity(paths.len() + 1), loader };
        jailed.execute(paths);
        if jailed.loader.is_some() && Path::new(LOADER_CACHE).is_file() {
            jailed.needs.push(JailPath { path: LOADER_CACHE.into(), access: Access::Read });
        }
        Ok(jailed)
    }

    /// As well with a library that the program loads by itself, and what that needs.
    pub async fn with_module(mut self, module: &Path) -> Result<Self, JailedError> {
        let mut paths = vec![module.to_owned()];
        if let Some(loader) = &self.loader {
            paths.extend(loader::libraries(loader, module).await?);
        }
        self.execute(paths);
        Ok(self)
    }

    fn execute(&mut self, paths: Vec<PathBuf>) {
        for path in paths {
            // The loader lists itself as well.
            if !self.needs.iter().any(|known| known.path == path) {
                self.needs.push(JailPath { path, access: Access::Execute });
            }
        }
    }

    /// One that needs nothing.
    #[cfg(test)]
    pub(super) fn bare(program: &Path) -> Self {
        Self { program: program.to_owned(), needs: Vec::new(), loader: None }
    }

    /// The absolute path of its file.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What its root must hold before it has done anything.
    pub fn needs(&self) -> &[JailPath] {
        &self.needs
    }
}

fn resolved(program: &Path) -> Result<PathBuf, JailedError> {
    if program.as_os_str().as_bytes().contains(&b'/') {
        return std::path::absolute(program)
            .map_err(|source| JailedError::Unreadable { program: program.to_owned(), source });
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    in_path(program.as_os_str(), &path)
        .ok_or_else(|| JailedError::NotFound(program.display().to_string()))
}

fn in_path(name: &OsStr, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        // An empty entry means the working directory, which is nobody's place for programs.
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate).unwrap_or(false))
}

fn is_executable(path: &Path) -> io::Result<bool> {
    let metadata = path.metadata()?;
    Ok(metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests;

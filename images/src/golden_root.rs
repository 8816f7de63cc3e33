//! The golden root: a Debian tree as mmdebstrap makes it, without what a guest never needs and
//! without what would differ the next time.
//!
//! The tree never lies on the host's disk as files with owners: it goes as a tar from mmdebstrap
//! through [`rewrite`] into mke2fs, so nothing but mmdebstrap itself wants privileges.

mod mmdebstrap;
mod modules;
mod privileges;
mod pruning;
mod rewrite;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

pub(crate) use self::modules::KernelModules;
use crate::{archive::Archive, ledger::Ledger, manifest::Package, program::ProgramError};

/// Why there is no golden root.
#[derive(Debug, thiserror::Error)]
pub enum GoldenRootError {
    #[error("the root could not be made of its packages")]
    Mmdebstrap(#[source] ProgramError),
    #[error(
        "an ordinary user needs a line in /etc/subuid and the package uidmap, or sudo, to make a \
         root file system"
    )]
    Unprivileged,
    #[error("{path} could not be read or written")]
    Io { path: PathBuf, source: io::Error },
    #[error("{link} is a hard link to {target}, which is left out of the root")]
    HardLink { link: String, target: String },
}

/// Installs exactly these packages into a tree and writes it to `tar`, with these modules in it;
/// works in `scratch`.
pub(crate) fn make(
    archive: &Archive,
    packages: &[Package],
    modules: &KernelModules<'_>,
    scratch: &Path,
    tar: &Path,
) -> Result<Ledger, GoldenRootError> {
    let whole = scratch.join("whole.tar");
    let io = |source| GoldenRootError::Io { path: whole.clone(), source };
    let file = File::create_new(&whole).map_err(io)?;
    let program = mmdebstrap::program(archive, packages, scratch)?;
    program.output_into(file).map_err(GoldenRootError::Mmdebstrap)?;
    let ledger = rewrite::rewrite(&whole, modules, tar)?;
    fs::remove_file(&whole).map_err(io)?;
    Ok(ledger)
}

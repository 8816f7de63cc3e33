//! The golden root: a Debian tree as mmdebstrap makes it, without what a guest never needs and
//! without what would differ the next time.
//!
//! The tree never lies on the host's disk as files with owners: it goes as a tar from mmdebstrap
//! through [`rewrite`] into mke2fs, so nothing but mmdebstrap itself wants privileges.

mod privileges;
mod pruning;
mod rewrite;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use self::privileges::Privileges;
use crate::{
    architecture::HOST,
    archive::Archive,
    ledger::Ledger,
    manifest::Package,
    program::{Ending, Program, ProgramError},
    recipe::{EPOCH, SUITE},
};

/// mmdebstrap as root mounts the host's /dev/shm and /sys into its tree, and where it does not come
/// to unmount them again, removing that tree would empty them. In a mount namespace of its own they
/// are gone with its last process; in a process namespace of its own all of them are gone with the
/// first, which the kernel kills with us.
const CONFINED: [&str; 9] = [
    "--pdeathsig=KILL",
    "unshare",
    "--mount",
    "--propagation=private",
    "--pid",
    "--mount-proc",
    "--fork",
    "--kill-child=KILL",
    "--",
];

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

/// Installs exactly these packages into a tree and writes it to `tar`; works in `scratch`.
pub(crate) fn make(
    archive: &Archive,
    packages: &[Package],
    scratch: &Path,
    tar: &Path,
) -> Result<Ledger, GoldenRootError> {
    let whole = scratch.join("whole.tar");
    let io = |source| GoldenRootError::Io { path: whole.clone(), source };
    let file = File::create_new(&whole).map_err(io)?;
    let program = mmdebstrap(archive, packages, scratch)?;
    program.output_into(file).map_err(GoldenRootError::Mmdebstrap)?;
    let ledger = rewrite::rewrite(&whole, tar)?;
    fs::remove_file(&whole).map_err(io)?;
    Ok(ledger)
}

fn mmdebstrap(
    archive: &Archive,
    packages: &[Package],
    scratch: &Path,
) -> Result<Program, GoldenRootError> {
    let include: Vec<_> =
        packages.iter().map(|Package { name, version }| format!("{name}={version}")).collect();
    let program =
        match Privileges::of_this_process() {
            Privileges::Root => Program::new("setpriv")
                .args(CONFINED)
                .args(["mmdebstrap", "--mode=root"])
                // Where it is removed with everything else, however mmdebstrap ended.
                .env("TMPDIR", scratch)
                .ending(Ending::Kill),
            // The mapped users cannot reach into a private home, so this one works in /tmp, and
            // cleans up there itself.
            Privileges::UserNamespace => {
                Program::new("mmdebstrap").arg("--mode=unshare").ending(Ending::TerminateGroup)
            }
            // Not in a group of its own: it may ask the terminal for a password.
            Privileges::Sudo => Program::new("sudo")
                .arg(format!("SOURCE_DATE_EPOCH={EPOCH}"))
                .args(["unshare", "--mount", "--propagation=private", "mmdebstrap", "--mode=root"]),
            Privileges::None => return Err(GoldenRootError::Unprivileged),
        };
    let options = archive.options().iter().map(|option| format!("--aptopt={option}"));
    let excludes = pruning::NEVER_UNPACKED.iter();
    Ok(program
        .args(["--variant=essential", "--format=tar"])
        .arg(format!("--architectures={}", HOST.debian))
        .arg(format!("--include={}", include.join(",")))
        .args(options)
        .args(excludes.map(|path| format!("--dpkgopt=path-exclude=/{path}/*")))
        .args([SUITE, "-"])
        .args(archive.sources())
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string()))
}

//! mmdebstrap, which makes a tree of packages and writes it as a tar.

use std::path::Path;

use super::{GoldenRootError, privileges::Privileges, pruning};
use crate::{
    architecture::HOST,
    archive::Archive,
    manifest::Package,
    program::{Ending, Program},
    recipe::{EPOCH, SUITE},
};

/// mmdebstrap as root mounts the host's /dev/shm and /sys into its tree, and where it does not come
/// to unmount them again, removing that tree would empty them. In a mount namespace of its own they
/// are gone with its last process; in a process namespace of its own all of them are gone with the
/// first, which the kernel kills with us.
const CONFINED: [&str; 10] = [
    "setpriv",
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

/// The program that writes a tree of exactly these packages to its standard output.
pub(super) fn program(
    archive: &Archive,
    packages: &[Package],
    scratch: &Path,
) -> Result<Program, GoldenRootError> {
    let version = |Package { name, version }: &Package| format!("{name}={version}");
    let include: Vec<_> = packages.iter().map(version).collect();
    let options = archive.options().iter().map(|option| format!("--aptopt={option}"));
    let excludes = pruning::NEVER_UNPACKED.iter();
    Ok(privileged(scratch)?
        .args(["--variant=essential", "--format=tar"])
        .arg(format!("--architectures={}", HOST.debian))
        .arg(format!("--include={}", include.join(",")))
        .args(options)
        .args(excludes.map(|path| format!("--dpkgopt=path-exclude=/{path}/*")))
        // The last that matches counts.
        .arg(format!("--dpkgopt=path-exclude=/{}", pruning::EMULATORS))
        .arg(format!("--dpkgopt=path-include=/usr/bin/{}", HOST.emulator))
        .args([SUITE, "-"])
        .args(archive.sources())
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string()))
}

/// mmdebstrap in the mode that this process can use. Wherever it is not confined it works in /tmp
/// and is let clean up there itself: nobody but it knows what it has mounted.
fn privileged(scratch: &Path) -> Result<Program, GoldenRootError> {
    let program = match Privileges::of_this_process() {
        Privileges::Root if can_be_confined() => confined()
            .args(["mmdebstrap", "--mode=root"])
            // Where it is removed with everything else, however mmdebstrap ended.
            .env("TMPDIR", scratch)
            .ending(Ending::Kill),
        Privileges::Root => {
            Program::new("mmdebstrap").arg("--mode=root").ending(Ending::TerminateGroup)
        }
        Privileges::UserNamespace => {
            Program::new("mmdebstrap").arg("--mode=unshare").ending(Ending::TerminateGroup)
        }
        // Not in a group of its own: it may ask the terminal for a password.
        Privileges::Sudo => Program::new("sudo")
            .arg(format!("SOURCE_DATE_EPOCH={EPOCH}"))
            .args(["mmdebstrap", "--mode=root"]),
        Privileges::None => return Err(GoldenRootError::Unprivileged),
    };
    Ok(program)
}

fn confined() -> Program {
    let [program, arguments @ ..] = CONFINED;
    Program::new(program).args(arguments)
}

/// Root in a container or below a chroot may not be allowed to.
fn can_be_confined() -> bool {
    confined().arg("true").output().is_ok()
}

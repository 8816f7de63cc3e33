//! Parts of QEMU that it loads when it needs them, where its distributor has split them off.
//!
//! The only one that a machine of ours can need is the translator. QEMU looks for it in the
//! directory that it was built with, and says nowhere which one that is; its files lie in a
//! directory `qemu` beside its libraries.

use std::path::{Path, PathBuf};

use super::Accelerator;
use crate::vmm::Jailed;

/// Where a distributor without a directory for each processor has them, from the program's own.
const BESIDE: [&str; 2] = ["../lib64", "../lib"];

/// What QEMU loads for `accelerator`, where that is a file of its own.
pub(super) fn of(accelerator: Accelerator, qemu: &Jailed) -> Option<PathBuf> {
    let name = match accelerator {
        Accelerator::Kvm => return None,
        Accelerator::Tcg => format!("accel-tcg-{}.so", std::env::consts::ARCH),
    };
    let program = qemu.program().canonicalize().ok()?;
    let beside = BESIDE.iter().filter_map(|beside| Some(program.parent()?.join(beside)));
    let libraries = qemu.needs().iter().skip(1).filter_map(|need| need.path.parent());
    libraries.map(Path::to_owned).chain(beside).find_map(|directory| {
        // QEMU does not know by which link a library was found.
        let module = directory.canonicalize().ok()?.join("qemu").join(&name);
        module.is_file().then_some(module)
    })
}

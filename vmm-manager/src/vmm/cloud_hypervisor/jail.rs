//! What Cloud Hypervisor is shut in.
//!
//! It opens the processor's device and a source of random numbers, and makes one socket, its
//! vsock's, in a directory of its own; its API's is handed over. Files it makes only where it has
//! places for that: see [`super::CloudHypervisor::with_places`].

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use kiln_jail::{Access, Jail, JailPath, Profile};
use kiln_shim::RUN;

use super::{
    CloudHypervisor,
    render::{PLACES, RANDOM, most_memory_added},
};
use crate::vmm::VmSpec;

const KVM: &str = "/dev/kvm";

/// With what it is to be `restored` from, if it is.
pub(super) fn jail(
    driver: &CloudHypervisor,
    spec: &VmSpec,
    restored: &[PathBuf],
) -> io::Result<Jail> {
    let path = |path: &Path, access| JailPath { path: path.to_owned(), access };
    let mut paths = driver.program.needs().to_vec();
    let read = [&spec.kernel, &spec.initramfs].into_iter().chain(restored);
    paths.extend(read.map(|file| path(file, Access::Read)));
    // A snapshot is a file as long as the memory, and something beside it.
    let mut file_bytes = 0;
    if driver.places {
        file_bytes = spec.memory_bytes + most_memory_added(spec.memory_bytes) + (1 << 20);
        paths.extend(PLACES.map(|place| path(&spec.directory.join(place), Access::Files)));
    }
    for disk in &spec.disks {
        let access = if disk.read_only { Access::Read } else { Access::Write };
        paths.push(path(&disk.path, access));
        if !disk.read_only {
            file_bytes = file_bytes.max(fs::symlink_metadata(&disk.path)?.len());
        }
    }
    paths.extend([KVM, RANDOM].map(|device| path(device.as_ref(), Access::Device)));
    paths.push(path(&spec.directory.join(RUN), Access::Sockets));
    Ok(Jail { user: spec.user.clone(), paths, profile: Profile::CloudHypervisor, file_bytes })
}

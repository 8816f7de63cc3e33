//! What QEMU and its bridge are shut in.
//!
//! QEMU makes no socket and opens no device but the processor's: its sockets and its end of a network
//! are handed over. The
//! bridge opens nothing at all and makes its sockets in a directory of their own. The guest's memory
//! is a file without a name that QEMU passes on over `vhost.sock`, so both see it though neither
//! sees the other.

use std::{fs, io, path::Path};

use kiln_jail::{Access, Jail, JailPath, Profile};
use kiln_shim::RUN;

use super::{Accelerator, Qemu};
use crate::vmm::VmSpec;

const KVM: &str = "/dev/kvm";
/// QEMU tries its locks on the first one, and seeds its random numbers from the other.
const DEVICES: [&str; 2] = ["/dev/null", "/dev/urandom"];

pub(super) fn qemu(driver: &Qemu, spec: &VmSpec) -> io::Result<Jail> {
    let path = |path: &Path, access| JailPath { path: path.to_owned(), access };
    let mut paths = driver.program.needs().to_vec();
    paths.extend(driver.firmware.files().map(|file| path(file, Access::Read)));
    paths.extend([&spec.kernel, &spec.initramfs].map(|file| path(file, Access::Read)));
    // What a guest's memory is made of is a file as well.
    let mut file_bytes = spec.memory_bytes;
    for disk in &spec.disks {
        let access = if disk.read_only { Access::Read } else { Access::Write };
        paths.push(path(&disk.path, access));
        if !disk.read_only {
            file_bytes = file_bytes.max(fs::symlink_metadata(&disk.path)?.len());
        }
    }
    let kvm = match driver.config.accelerator {
        Accelerator::Kvm => Some(KVM),
        Accelerator::Tcg => None,
    };
    let devices = DEVICES.into_iter().chain(kvm);
    paths.extend(devices.map(|device| path(device.as_ref(), Access::Device)));
    Ok(Jail { user: spec.user.clone(), paths, profile: Profile::Qemu, file_bytes })
}

pub(super) fn bridge(driver: &Qemu, spec: &VmSpec) -> Jail {
    let mut paths = driver.bridge.needs().to_vec();
    paths.push(JailPath { path: spec.directory.join(RUN), access: Access::Sockets });
    Jail { user: spec.user.clone(), paths, profile: Profile::VhostDeviceVsock, file_bytes: 0 }
}

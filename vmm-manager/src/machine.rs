//! What every machine of ours is made of: a guest image, and a scratch disk of its own.

use std::path::Path;

use kiln_images::GuestImage;

use crate::{
    disk,
    vmm::{Disk, VmSpec},
};

/// What one machine is given.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub cpus: u32,
    pub memory_bytes: u64,
}

pub fn spec(
    name: &str,
    image: &GuestImage,
    directory: &Path,
    scratch: &Path,
    share: Share,
) -> VmSpec {
    let root = Disk { serial: disk::ROOT_SERIAL, path: image.root.path.clone(), read_only: true };
    let scratch = Disk { serial: disk::SCRATCH_SERIAL, path: scratch.to_owned(), read_only: false };
    VmSpec {
        name: name.to_owned(),
        directory: directory.to_owned(),
        cpus: share.cpus,
        memory_bytes: share.memory_bytes,
        kernel: image.kernel.path.clone(),
        initramfs: image.initramfs.path.clone(),
        command_line: image.command_line.clone(),
        disks: vec![root, scratch],
    }
}

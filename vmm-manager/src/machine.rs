//! What every machine of ours is made of: a guest image, and disks of its own.

use std::path::{Path, PathBuf};

use kiln_images::GuestImage;
use kiln_jail::JailUser;

use crate::{
    disk::{self, Disks},
    host::cgroup::Cgroup,
    vmm::{Disk, MachineNetwork, VmSpec},
};

/// What one machine is, beyond the image that all share.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The job's id.
    pub name: &'a str,
    /// The home's id.
    pub instance: &'a str,
    pub directory: &'a Path,
    pub cid: u32,
    /// The VM's own, where kilnd may give it one.
    pub user: Option<JailUser>,
    pub cgroup: Option<Cgroup>,
    pub cpus: u32,
    pub memory_bytes: u64,
    pub disks: &'a Disks,
    /// What else it only reads, each by its serial.
    pub sources: &'a [Source],
    /// For its kernel's command line, behind what the image says.
    pub words: &'a [&'a str],
    /// Made for it; `None` where it has no network.
    pub network: Option<MachineNetwork>,
}

/// A file that the guest finds by its serial, and can't write to.
#[derive(Clone, Debug)]
pub struct Source {
    pub serial: String,
    pub path: PathBuf,
}

/// The first tells the agent that another root filesystem will be process 1's. The other keeps systemd
/// from a login on the serial console, for whose device it would wait where nothing makes it.
pub const BOOT_WORDS: &[&str] = &["kiln.boot", "systemd.getty_auto=0"];

pub fn spec(image: &GuestImage, parts: Parts<'_>) -> VmSpec {
    let disk = |serial: String, path: &Path, read_only| Disk {
        serial: serial.into(),
        path: path.to_owned(),
        read_only,
    };
    let mut disks = vec![
        disk(disk::ROOT_SERIAL.into(), &image.root.path, true),
        disk(disk::SCRATCH_SERIAL.into(), &parts.disks.scratch, false),
    ];
    let engine = parts.disks.engine.iter();
    disks.extend(engine.map(|path| disk(disk::ENGINE_SERIAL.into(), path, false)));
    let sources = parts.sources.iter();
    disks.extend(sources.map(|source| disk(source.serial.clone(), &source.path, true)));
    let outputs = parts.disks.outputs.iter().enumerate();
    disks.extend(outputs.map(|(index, path)| disk(disk::output_serial(index), path, false)));
    VmSpec {
        name: parts.name.to_owned(),
        instance: parts.instance.to_owned(),
        directory: parts.directory.to_owned(),
        cid: parts.cid,
        user: parts.user,
        cgroup: parts.cgroup,
        cpus: parts.cpus,
        memory_bytes: parts.memory_bytes,
        kernel: image.kernel.path.clone(),
        initramfs: image.initramfs.path.clone(),
        command_line: parts.words.iter().fold(image.command_line.clone(), |line, word| {
            if line.is_empty() { (*word).to_owned() } else { format!("{line} {word}") }
        }),
        disks,
        network: parts.network,
    }
}

//! Where Cloud Hypervisor can run guests.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use kiln_images::further_modules;

use super::missing::{Lack, Missing};
use crate::{Settings, Stage, block_on};

/// What the outer host's kernel needs beyond a guest's: KVM, what jobs' disks and networks take, and
/// the file system over the golden root.
const MODULES: &[&str] = &[
    "virtio_blk",
    "overlay",
    "kvm-amd",
    "tun",
    "veth",
    "nf_tables",
    "nft_chain_nat",
    "nft_connlimit",
    "nft_ct",
    "nft_limit",
    "nft_masq",
    "nft_nat",
    "nft_redir",
    "nft_reject_inet",
];

#[derive(Debug)]
pub(super) enum Place {
    /// On this host.
    Here,
    /// In an emulated machine that has AMD's virtualization.
    Outer(Parts),
}

/// What an outer host is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) qemu: PathBuf,
    pub(super) debugfs: PathBuf,
    pub(super) mke2fs: PathBuf,
    /// A directory as [`further_modules`] makes it.
    pub(super) modules: PathBuf,
}

impl Place {
    pub(super) fn find(settings: &Arc<Settings>) -> anyhow::Result<Result<Self, Missing>> {
        if settings.cloud_hypervisor.is_none() {
            return Ok(Err(Missing::CloudHypervisor));
        }
        let Some(native) = why_not_here(settings)? else {
            return Ok(Ok(Self::Here));
        };
        Ok(Parts::find(settings, native).map(Self::Outer))
    }
}

impl Parts {
    fn find(settings: &Settings, native: String) -> Result<Self, Missing> {
        Self::found(settings).map_err(|lacks| Missing::Outer { native, lacks })
    }

    fn found(settings: &Settings) -> Result<Self, Lack> {
        if !cfg!(target_arch = "x86_64") {
            return Err(Lack::Architecture);
        }
        let program = |program| on_path(program).ok_or(Lack::Program(program));
        Ok(Self {
            qemu: program("qemu-system-x86_64")?,
            debugfs: program("debugfs")?,
            mke2fs: program("mke2fs")?,
            modules: further_modules(&settings.guest_image, MODULES)
                .map_err(|error| Lack::Modules(format!("{:#}", anyhow::Error::new(error))))?,
        })
    }
}

/// A daemon that is told to take Cloud Hypervisor under KVM finds out, as it would for an operator.
fn why_not_here(settings: &Arc<Settings>) -> anyhow::Result<Option<String>> {
    if !Path::new("/dev/kvm").exists() {
        return Ok(Some("there is no /dev/kvm".to_owned()));
    }
    let stage = Stage::set_up(Arc::clone(settings))?;
    let told = block_on(async {
        let setup = || stage.host().vmm("cloud-hypervisor").accelerator("kvm").forbid_emulation();
        match setup().start().await {
            Ok(host) => host.stop().await.map(|()| None),
            Err(_) => setup().is_refused().await.map(|said| Some(last_line(&said))),
        }
    });
    block_on(stage.clear())?;
    told
}

fn last_line(said: &str) -> String {
    said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

/// Where a program is, for root.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut directories = std::env::split_paths(&path).chain(system);
    directories.find_map(|directory| Some(directory.join(program)).filter(|path| path.is_file()))
}

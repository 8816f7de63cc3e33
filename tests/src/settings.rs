//! Where things are, as `cargo xtask test` says it in the environment.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::{Context as _, bail, ensure};

use crate::{Report, Shard, nested::on_path};

const CLIENTS: &str = "KILN_REGISTRY_CLIENTS";

#[derive(Clone, Debug)]
pub struct Settings {
    /// A directory as `kiln-image build` makes it.
    pub guest_image: PathBuf,
    pub vhost_device_vsock: PathBuf,
    /// A tree in which docker's registry and clients of registries are installed.
    pub registry_clients: Option<PathBuf>,
    pub kilnd: PathBuf,
    pub cli: PathBuf,
    /// kilnd with stub guests.
    pub kilnd_stub: PathBuf,
    /// What puts faults in the way of a program that it is loaded into.
    pub faults: PathBuf,
    /// `kiln-image` and an agent to build with, for who wants images made.
    pub image_builder: Option<(PathBuf, PathBuf)>,
    /// The large counts.
    pub full: bool,
    pub shard: Shard,
    /// To which file each story's outcome is appended.
    pub report: Option<PathBuf>,
    pub tier: Tier,
    /// Which stories of the tier are told; all of them where nobody chose.
    pub told: Option<Vec<String>>,
    /// What makes the guests: `auto`, `qemu` or `cloud-hypervisor`.
    pub vmm: String,
    /// Where it is installed.
    pub cloud_hypervisor: Option<PathBuf>,
    /// The tests of supervised machines, which a story runs where it finds what they need.
    pub machines: Option<PathBuf>,
    /// What was asked for: `auto`, `kvm` or `tcg`.
    pub asked_accelerator: String,
    /// What was seen to run a guest.
    pub seen_accelerator: OnceLock<String>,
}

/// Whose guests the stories are told with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// QEMU's, on this host.
    #[default]
    Stories,
    /// Cloud Hypervisor's under KVM, on this host or in one that is emulated.
    Nested,
}

impl Tier {
    pub fn name(self) -> &'static str {
        match self {
            Self::Stories => "stories",
            Self::Nested => "nested",
        }
    }

    fn named(name: &str) -> anyhow::Result<Self> {
        match name {
            "stories" => Ok(Self::Stories),
            "nested" => Ok(Self::Nested),
            other => bail!("{other:?} is no tier of stories"),
        }
    }
}

impl Settings {
    /// What a story that was not run is reported with.
    pub const HINT: &'static str = "boots VMs: run cargo xtask test";

    /// `None` when nobody asked for stories.
    pub fn from_environment() -> anyhow::Result<Option<Self>> {
        Self::from_lookup(|name| env::var_os(name))
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Option<Self>> {
        let text = |name: &str| lookup(name).map(|value| value.to_string_lossy().into_owned());
        let is_set = |name: &str| text(name).is_some_and(|value| value == "1");
        let path = |name: &str| -> anyhow::Result<PathBuf> {
            let value = lookup(name).with_context(|| format!("{name} is not set"))?;
            let path = Path::new(&value);
            ensure!(path.is_absolute(), "{name} is {}, not an absolute path", path.display());
            ensure!(path.exists(), "{name} is {}, which is not there", path.display());
            Ok(path.to_owned())
        };
        if !is_set("KILN_STORIES") {
            return Ok(None);
        }
        Ok(Some(Self {
            guest_image: path("KILN_GUEST_IMAGE")?,
            vhost_device_vsock: path("KILN_VHOST_DEVICE_VSOCK")?,
            registry_clients: lookup(CLIENTS).map(|_| path(CLIENTS)).transpose()?,
            kilnd: path("KILN_KILND")?,
            cli: path("KILN_CLI")?,
            kilnd_stub: path("KILN_KILND_STUB")?,
            faults: path("KILN_FAULTS")?,
            image_builder: lookup("KILN_IMAGE_BUILDER")
                .zip(lookup("KILN_AGENT"))
                .map(|(builder, agent)| (builder.into(), agent.into())),
            full: is_set("KILN_FULL"),
            shard: text("KILN_SHARD").map_or(Ok(Shard::WHOLE), |text| text.parse())?,
            report: lookup("KILN_STORY_REPORT").map(PathBuf::from),
            tier: text("KILN_TIER").map_or(Ok(Tier::Stories), |name| Tier::named(&name))?,
            told: text("KILN_TELL").map(|names| names.split(',').map(str::to_owned).collect()),
            vmm: text("KILN_VMM").unwrap_or_else(|| "qemu".to_owned()),
            cloud_hypervisor: lookup("KILN_CLOUD_HYPERVISOR")
                .map(PathBuf::from)
                .or_else(|| on_path("cloud-hypervisor")),
            machines: lookup("KILN_MACHINES").map(PathBuf::from),
            asked_accelerator: text("KILN_ACCELERATOR").unwrap_or_else(|| "auto".to_owned()),
            seen_accelerator: OnceLock::new(),
        }))
    }

    /// What to ask a daemon for: once a guest has run, what ran it.
    pub fn accelerator(&self) -> &str {
        self.seen_accelerator.get().unwrap_or(&self.asked_accelerator)
    }

    /// Notes, and reports the first time, what ran a guest.
    pub fn learn(&self, vmm: &str, version: &str, accelerator: &str) -> anyhow::Result<()> {
        match self.seen_accelerator.set(accelerator.to_owned()) {
            Ok(()) => {
                Report::new(self.report.as_deref(), self.tier).machine(vmm, version, accelerator)
            }
            Err(_known) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> anyhow::Result<Option<Settings>> {
        Settings::from_lookup(|name| {
            pairs.iter().find(|pair| pair.0 == name).map(|pair| OsString::from(pair.1))
        })
    }

    #[test]
    fn nobody_asked() {
        assert!(read(&[("KILN_KILND", "/bin/true")]).unwrap().is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = read(&[("KILN_STORIES", "1"), ("KILN_GUEST_IMAGE", "/")]).unwrap_err();
        assert!(error.to_string().contains("KILN_VHOST_DEVICE_VSOCK"), "{error}");
    }

    #[test]
    fn all_is_read() {
        let settings = read(&[
            ("KILN_STORIES", "1"),
            ("KILN_GUEST_IMAGE", "/"),
            ("KILN_VHOST_DEVICE_VSOCK", "/bin/sh"),
            ("KILN_KILND", "/bin/sh"),
            ("KILN_CLI", "/bin/sh"),
            ("KILN_KILND_STUB", "/bin/sh"),
            ("KILN_FAULTS", "/bin/sh"),
            ("KILN_SHARD", "2/3"),
        ])
        .unwrap()
        .unwrap();
        assert_eq!((settings.full, settings.accelerator()), (false, "auto"));
        assert_eq!((settings.tier, &*settings.vmm), (Tier::Stories, "qemu"));
        assert!(settings.shard.holds(1) && !settings.shard.holds(0));
    }
}

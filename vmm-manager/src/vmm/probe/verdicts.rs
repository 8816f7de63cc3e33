//! Verdicts that were reached before, each as long as nothing that it rests on has changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Hindrance, ProbeVerdict};
use crate::vmm::VmmIdentity;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Of several images and versions; the oldest are forgotten.
const MOST: usize = 64;

/// What a verdict rests on, beside the host's boot: modules, microcode and nesting change with one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeKey {
    vmm: String,
    version: String,
    accelerator: String,
    /// Of the guest's.
    kernel_digest: String,
    initramfs_digest: String,
}

/// A file of verdicts.
#[derive(Clone, Debug)]
pub struct Verdicts {
    file: PathBuf,
    kept: Kept,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    boot_id: String,
    verdicts: Vec<Entry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: ProbeKey,
    verdict: KeptVerdict,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptVerdict {
    Works { after_micros: u64 },
    NullGuestsOnly { reason: String },
    No { reason: String },
}

impl ProbeKey {
    pub fn new(vmm: &VmmIdentity, kernel_digest: &str, initramfs_digest: &str) -> Self {
        Self {
            vmm: vmm.name.to_owned(),
            version: vmm.version.clone(),
            accelerator: vmm.accelerator.to_owned(),
            kernel_digest: kernel_digest.to_owned(),
            initramfs_digest: initramfs_digest.to_owned(),
        }
    }
}

impl Verdicts {
    /// What `file` holds of this boot. One that cannot be read or understood holds nothing: the
    /// probes run again.
    pub fn load(file: &Path) -> io::Result<Self> {
        let boot_id = fs::read_to_string(BOOT_ID)?.trim().to_owned();
        Ok(Self::of_boot(boot_id, file))
    }

    fn of_boot(boot_id: String, file: &Path) -> Self {
        let read = fs::read(file).ok();
        let read = read.and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let kept = read.filter(|kept| kept.boot_id == boot_id);
        let kept = kept.unwrap_or_else(|| Kept { boot_id, verdicts: Vec::new() });
        Self { file: file.to_owned(), kept }
    }

    /// The verdict that was kept under this very key.
    pub fn of(&self, key: &ProbeKey) -> Option<ProbeVerdict> {
        let entry = self.kept.verdicts.iter().find(|entry| entry.key == *key)?;
        Some(entry.verdict.clone().into())
    }

    /// Keeps a verdict that a boot has shown; another one says nothing of the next time.
    pub fn keep(&mut self, key: ProbeKey, verdict: &ProbeVerdict) -> io::Result<()> {
        let verdict = match verdict {
            ProbeVerdict::Works { after } => KeptVerdict::Works {
                after_micros: u64::try_from(after.as_micros()).unwrap_or(u64::MAX),
            },
            ProbeVerdict::NullGuestsOnly { reason } => {
                KeptVerdict::NullGuestsOnly { reason: reason.clone() }
            }
            ProbeVerdict::No(Hindrance::Guest { reason }) => {
                KeptVerdict::No { reason: reason.clone() }
            }
            ProbeVerdict::No(_) => return Ok(()),
        };
        let verdicts = &mut self.kept.verdicts;
        verdicts.retain(|entry| entry.key != key);
        verdicts.push(Entry { key, verdict });
        let too_many = verdicts.len().saturating_sub(MOST);
        verdicts.drain(..too_many);
        self.store()
    }

    /// Begins anew; the file is as it is until the next verdict.
    pub fn forget(&mut self) {
        self.kept.verdicts.clear();
    }

    fn store(&self) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&self.kept)?;
        // Renamed into place, so that a reader sees all of it or what was there before; under a
        // name of its own, for somebody else may be storing theirs.
        let fresh = self.file.with_extension(format!("{}.new", process::id()));
        let stored = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &self.file));
        if stored.is_err() {
            let _never_made = fs::remove_file(fresh);
        }
        stored
    }
}

impl From<KeptVerdict> for ProbeVerdict {
    fn from(kept: KeptVerdict) -> Self {
        match kept {
            KeptVerdict::Works { after_micros } => {
                Self::Works { after: Duration::from_micros(after_micros) }
            }
            KeptVerdict::NullGuestsOnly { reason } => Self::NullGuestsOnly { reason },
            KeptVerdict::No { reason } => Self::No(Hindrance::Guest { reason }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(vmm: &'static str, version: &str, kernel: &str) -> ProbeKey {
        let version = version.to_owned();
        let vmm = VmmIdentity { name: vmm, version, accelerator: "kvm" };
        ProbeKey::new(&vmm, kernel, "sha256:initramfs")
    }

    fn no() -> ProbeVerdict {
        ProbeVerdict::No(Hindrance::Guest { reason: "no".into() })
    }

    #[test]
    fn a_verdict_holds_while_nothing_that_it_rests_on_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("probes.json");
        let load = || Verdicts::load(&file).unwrap();
        let ours = key("qemu", "7.2", "sha256:1");
        assert_eq!(load().of(&ours), None);
        for verdict in [
            ProbeVerdict::Works { after: Duration::from_micros(1_234_567) },
            ProbeVerdict::NullGuestsOnly { reason: "tiny".into() },
            no(),
        ] {
            load().keep(ours.clone(), &verdict).unwrap();
            assert_eq!(load().of(&ours), Some(verdict));
            for other in [
                key("qemu", "7.3", "sha256:1"),
                key("qemu", "7.2", "sha256:2"),
                key("cloud-hypervisor", "7.2", "sha256:1"),
                ProbeKey { accelerator: "tcg".into(), ..ours.clone() },
                ProbeKey { initramfs_digest: "sha256:2".into(), ..ours.clone() },
            ] {
                assert_eq!(load().of(&other), None, "{other:?}");
            }
            assert_eq!(Verdicts::of_boot("another".into(), &file).of(&ours), None);
        }
    }

    #[test]
    fn verdicts_stand_side_by_side() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("probes.json");
        let mut verdicts = Verdicts::load(&file).unwrap();
        let works = ProbeVerdict::Works { after: Duration::from_secs(1) };
        verdicts.keep(key("cloud-hypervisor", "53", "sha256:1"), &no()).unwrap();
        verdicts.keep(key("qemu", "7.2", "sha256:1"), &works).unwrap();
        let verdicts = Verdicts::load(&file).unwrap();
        assert_eq!(verdicts.of(&key("cloud-hypervisor", "53", "sha256:1")), Some(no()));
        assert_eq!(verdicts.of(&key("qemu", "7.2", "sha256:1")), Some(works));
        let entries: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
    }

    #[test]
    fn what_no_boot_has_shown_is_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("probes.json");
        let ours = key("qemu", "7.2", "sha256:1");
        for hindrance in [
            Hindrance::Program { reason: "absent".into() },
            Hindrance::Kvm { reason: "closed".into() },
            Hindrance::Start { reason: "no room".into() },
        ] {
            let mut verdicts = Verdicts::load(&file).unwrap();
            verdicts.keep(ours.clone(), &ProbeVerdict::No(hindrance)).unwrap();
            assert_eq!(verdicts.of(&ours), None);
        }
        assert!(!file.exists());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let mut verdicts = Verdicts::load(&directory.path().join("probes.json")).unwrap();
        for number in 0..=MOST {
            verdicts.keep(key("qemu", "7.2", &number.to_string()), &no()).unwrap();
        }
        assert_eq!(verdicts.of(&key("qemu", "7.2", "0")), None);
        assert_eq!(verdicts.of(&key("qemu", "7.2", "1")), Some(no()));
    }

    #[test]
    fn damaged_verdicts_are_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("probes.json");
        let ours = key("qemu", "7.2", "sha256:1");
        Verdicts::load(&file).unwrap().keep(ours.clone(), &no()).unwrap();
        let whole = fs::read(&file).unwrap();
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            assert_eq!(Verdicts::load(&file).unwrap().of(&ours), None, "of {length} bytes");
        }
    }
}

//! A verdict that was reached before, as long as nothing that it rests on has changed.

use std::{fs, io, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use super::ProbeVerdict;
use crate::vmm::VmmIdentity;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What a verdict rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeKey {
    /// Of the host: modules, microcode and nesting change with a boot.
    boot_id: String,
    vmm_version: String,
    /// Of the guest's kernel.
    kernel_digest: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    key: ProbeKey,
    verdict: KeptVerdict,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptVerdict {
    Works { after_micros: u64 },
    Fails { reason: String },
}

impl ProbeKey {
    pub fn new(vmm: &VmmIdentity, kernel_digest: &str) -> io::Result<Self> {
        Ok(Self {
            boot_id: fs::read_to_string(BOOT_ID)?.trim().to_owned(),
            vmm_version: vmm.version.clone(),
            kernel_digest: kernel_digest.to_owned(),
        })
    }

    /// The verdict that [`ProbeKey::store`] kept in `file` under this very key. A file that cannot
    /// be read or understood is no verdict: the probe runs again.
    pub fn load(&self, file: &Path) -> Option<ProbeVerdict> {
        let kept: Kept = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        (kept.key == *self).then(|| kept.verdict.into())
    }

    /// Keeps `verdict` in `file` for the next start.
    pub fn store(&self, file: &Path, verdict: &ProbeVerdict) -> io::Result<()> {
        let kept = Kept { key: self.clone(), verdict: verdict.into() };
        let text = serde_json::to_vec_pretty(&kept)?;
        // Renamed into place, so that a reader sees all of it or what was there before.
        let fresh = file.with_extension("new");
        fs::write(&fresh, text)?;
        fs::rename(fresh, file)
    }
}

impl From<KeptVerdict> for ProbeVerdict {
    fn from(kept: KeptVerdict) -> Self {
        match kept {
            KeptVerdict::Works { after_micros } => {
                Self::Works { after: Duration::from_micros(after_micros) }
            }
            KeptVerdict::Fails { reason } => Self::Fails { reason },
        }
    }
}

impl From<&ProbeVerdict> for KeptVerdict {
    fn from(verdict: &ProbeVerdict) -> Self {
        match verdict {
            ProbeVerdict::Works { after } => {
                let after_micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
                Self::Works { after_micros }
            }
            ProbeVerdict::Fails { reason } => Self::Fails { reason: reason.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(version: &str, kernel_digest: &str) -> ProbeKey {
        let version = version.to_owned();
        let vmm = VmmIdentity { name: "qemu", version, accelerator: "kvm" };
        ProbeKey::new(&vmm, kernel_digest).unwrap()
    }

    #[test]
    fn a_verdict_holds_while_nothing_that_it_rests_on_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("probe.json");
        let ours = key("7.2", "sha256:1");
        assert_eq!(ours.load(&file), None);
        for verdict in [
            ProbeVerdict::Works { after: Duration::from_micros(1_234_567) },
            ProbeVerdict::Fails { reason: "no".into() },
        ] {
            ours.store(&file, &verdict).unwrap();
            assert_eq!(ours.load(&file), Some(verdict));
            assert_eq!(key("7.3", "sha256:1").load(&file), None);
            assert_eq!(key("7.2", "sha256:2").load(&file), None);
            let after_a_boot = ProbeKey { boot_id: "another".into(), ..ours.clone() };
            assert_eq!(after_a_boot.load(&file), None);
        }
    }

    #[test]
    fn a_damaged_verdict_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("probe.json");
        let ours = key("7.2", "sha256:1");
        ours.store(&file, &ProbeVerdict::Fails { reason: "no".into() }).unwrap();
        let whole = fs::read(&file).unwrap();
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            assert_eq!(ours.load(&file), None, "of {length} bytes");
        }
    }
}

//! How much memory a process had resident at most.

use std::fs;

use anyhow::Context as _;

/// The kernel's own high-water mark, so that no peak falls between two samples.
#[derive(Debug)]
pub struct ResidentPeak {
    process: u32,
    at_start: u64,
}

impl ResidentPeak {
    /// Forgets the peaks before now.
    pub fn start(process: u32) -> anyhow::Result<Self> {
        // 5 resets the high-water mark, and nothing else.
        let path = format!("/proc/{process}/clear_refs");
        fs::write(&path, "5").with_context(|| format!("writing {path}"))?;
        Ok(Self { process, at_start: status_bytes(process, "VmRSS:")? })
    }

    /// How many bytes it had at its largest since we started.
    pub fn peak(&self) -> anyhow::Result<u64> {
        status_bytes(self.process, "VmHWM:")
    }

    /// By how many bytes the process was larger at its largest than when we started.
    pub fn growth(&self) -> anyhow::Result<u64> {
        Ok(self.peak()?.saturating_sub(self.at_start))
    }
}

fn status_bytes(process: u32, field: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kibibytes| kibibytes * 1024)
        .with_context(|| format!("{path} has no {field}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_that_is_over_is_seen() {
        let peak = ResidentPeak::start(std::process::id()).unwrap();
        drop(std::hint::black_box(vec![1_u8; 32 << 20]));
        let growth = peak.growth().unwrap();
        assert!(growth >= 30 << 20, "{growth}");
    }
}

//! A VM's cgroup as anybody on its host can read it, in whichever version it is.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_tests::Host;

/// One directory for each hierarchy.
#[derive(Clone, Debug)]
pub(super) struct Group {
    directories: Vec<PathBuf>,
}

/// As they stand in the kernel's files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    pub(super) memory_bytes: u64,
    /// With what is swapped out; `None` where the kernel does not count that.
    with_swap_bytes: Option<u64>,
    pub(super) pids: u64,
    /// `None` where the kernel has no such limit.
    pub(super) processors: Option<f64>,
    /// For each processor of [`Limits::processors`], a hundredth of what all begin with.
    share: Option<u64>,
}

/// What a VMM may have beside its guest: threads, and one processor.
const THREADS: u64 = 256;
const VMM_CPUS: u32 = 1;
/// What every cgroup weighs unless somebody says otherwise.
const SHARES: u64 = 1024;
const WEIGHT: u64 = 100;

impl Group {
    pub(super) fn of(host: &Host, job: &str) -> anyhow::Result<Self> {
        let paths = host.cgroups()?.into_iter().filter(|path| host.is_vms_cgroup(path));
        let directories: Vec<_> =
            paths.map(PathBuf::from).filter(|path| path.ends_with(job)).collect();
        let group = Self { directories };
        let memory = group.file(&["memory.limit_in_bytes", "memory.max"]);
        ensure!(memory.is_some(), "{job} has no cgroup that limits memory: {group:?}");
        Ok(group)
    }

    /// With version 2 nothing may be swapped out, so that memory is all there is.
    pub(super) fn limits(&self) -> anyhow::Result<Limits> {
        let memory_bytes = self.number(&["memory.limit_in_bytes", "memory.max"])?;
        let with_swap_bytes = match self.file(&["memory.memsw.limit_in_bytes"]) {
            Some(path) => Some(read(&path)?.parse()?),
            None if self.file(&["memory.swap.max"]).is_some() => {
                Some(memory_bytes + self.number(&["memory.swap.max"])?)
            }
            None => None,
        };
        let share = match self.file(&["cpu.shares"]) {
            Some(path) => Some(read(&path)?.parse::<u64>()? * 100 / SHARES),
            None if self.file(&["cpu.weight"]).is_some() => {
                Some(self.number(&["cpu.weight"])? * 100 / WEIGHT)
            }
            None => None,
        };
        let pids = self.number(&["pids.max"])?;
        Ok(Limits { memory_bytes, with_swap_bytes, pids, processors: self.processors()?, share })
    }

    fn processors(&self) -> anyhow::Result<Option<f64>> {
        let (quota, period) = if self.file(&["cpu.cfs_quota_us"]).is_some() {
            (self.number(&["cpu.cfs_quota_us"])?, self.number(&["cpu.cfs_period_us"])?)
        } else if let Some(path) = self.file(&["cpu.max"]) {
            let text = read(&path)?;
            let (quota, period) = text.split_once(' ').context("cpu.max is not two words")?;
            (quota.parse().with_context(|| format!("cpu.max is {text}"))?, period.parse()?)
        } else {
            return Ok(None);
        };
        Ok(Some(Duration::from_micros(quota).div_duration_f64(Duration::from_micros(period))))
    }

    /// Where the disks' schedulers know weights, all VMs have the same one.
    pub(super) fn weights_are_alike(&self) -> anyhow::Result<()> {
        for name in ["blkio.weight", "blkio.bfq.weight", "io.weight", "io.bfq.weight"] {
            let Some(path) = self.file(&[name]) else { continue };
            let text = read(&path)?;
            let first = text.lines().next().unwrap_or_default().trim_start_matches("default ");
            ensure!(first == WEIGHT.to_string(), "{name} is {text}");
        }
        Ok(())
    }

    pub(super) fn memory_bytes(&self) -> anyhow::Result<u64> {
        self.number(&["memory.usage_in_bytes", "memory.current"])
    }

    pub(super) fn tasks(&self) -> anyhow::Result<u64> {
        self.number(&["pids.current"])
    }

    pub(super) fn cpu_time(&self) -> anyhow::Result<Duration> {
        if self.file(&["cpuacct.usage"]).is_some() {
            return Ok(Duration::from_nanos(self.number(&["cpuacct.usage"])?));
        }
        Ok(Duration::from_micros(self.field("cpu.stat", "usage_usec")?))
    }

    pub(super) fn oom_kills(&self) -> anyhow::Result<u64> {
        let version_1 = self.file(&["memory.oom_control"]).is_some();
        self.field(if version_1 { "memory.oom_control" } else { "memory.events" }, "oom_kill")
    }

    /// Those who are in it, by each hierarchy.
    pub(super) fn members(&self) -> anyhow::Result<Vec<BTreeSet<u32>>> {
        let listed = |directory: &PathBuf| {
            let text = read(&directory.join("cgroup.procs"))?;
            Ok(text.lines().map(str::parse).collect::<Result<_, _>>()?)
        };
        self.directories.iter().map(listed).collect()
    }

    pub(super) fn is_gone(&self) -> bool {
        !self.directories.iter().any(|directory| directory.exists())
    }

    /// The first of its files that has one of these names.
    fn file(&self, names: &[&str]) -> Option<PathBuf> {
        let files =
            names.iter().flat_map(|name| self.directories.iter().map(move |d| d.join(name)));
        files.into_iter().find(|file| file.exists())
    }

    fn number(&self, names: &[&str]) -> anyhow::Result<u64> {
        let path = self.file(names).with_context(|| format!("there is no {names:?}"))?;
        let text = read(&path)?;
        // A limit that nobody set is a word, or less than nothing.
        text.parse().with_context(|| format!("{} is {text}", path.display()))
    }

    fn field(&self, file: &str, key: &str) -> anyhow::Result<u64> {
        let text = read(&self.file(&[file]).with_context(|| format!("there is no {file}"))?)?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("{file} has no {key}"))?.parse()?)
    }
}

impl Limits {
    /// Of a VM with so much memory, its VMM's included, and so many virtual CPUs. What this host's
    /// kernel has no file for can't be expected: that of swap, of time and of the share are each
    /// looked for in the root of the hierarchies.
    pub(super) fn expected(memory_bytes: u64, cpus: u32) -> Self {
        let any = |names: &[&str]| {
            let roots = ["", "memory", "cpu", "cpu,cpuacct"].map(|name| Path::new(ROOT).join(name));
            // The root of version 2 has no limits of its own, and every kernel of it has these.
            let version_2 = Path::new(ROOT).join("cgroup.controllers").exists();
            version_2 || roots.iter().any(|root| names.iter().any(|name| root.join(name).exists()))
        };
        let processors = cpus + VMM_CPUS;
        Self {
            memory_bytes,
            with_swap_bytes: any(&["memory.memsw.limit_in_bytes"]).then_some(memory_bytes),
            pids: THREADS + u64::from(cpus),
            processors: any(&["cpu.cfs_quota_us"]).then_some(processors.into()),
            share: any(&["cpu.shares"]).then_some(u64::from(processors) * 100),
        }
    }
}

const ROOT: &str = "/sys/fs/cgroup";

fn read(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text.trim().to_owned())
}

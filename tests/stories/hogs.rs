//! Guests that take what they can get, and what the kernel lets their VMs have of it: the limits of
//! the VM's cgroup, read from outside while each of the hogs runs.

mod group;
mod watch;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kiln_tests::{Hog, Hogged, Hogs, Stage, Story, stories, until};

use self::{
    group::{Group, Limits},
    watch::{Watched, watch},
};

/// Of the guest. Its VMM has one more.
const CPUS: u32 = 2;
const DISK_MEBIBYTES: u32 = 256;
/// What kilnd stores of a job's output at most, and what a VM's directory has beside its disks.
const RECORDS_BYTES: u64 = 16 << 20;
/// As long as each hog is looked at. A guest needs a while under emulation, and a longer one where
/// its host is busy: who has not shown yet what it is gets another turn.
const LOOKS_SECONDS: [u64; 4] = [4, 8, 16, 32];

pub(crate) fn stories() -> Vec<Story> {
    stories![hogs_keep_to_what_their_vm_may_have.virtual_cpus(2).limit(Duration::from_secs(900))]
}

async fn hogs_keep_to_what_their_vm_may_have(stage: &Stage) -> anyhow::Result<()> {
    let overhead = stage.accelerator().await?.overhead_bytes();
    let host = stage.host().start().await?;
    let mut hogs = Hogs::start(&host, CPUS as usize, DISK_MEBIBYTES).await?;
    let job = host.newest_job().await?;
    let asked = job.spec.as_ref().context("no spec")?;
    let group = Group::of(&host, &job.id)?;
    let limits = group.limits()?;
    let reserve = kiln_vmm_manager::job::JobSpec::RESERVE_BYTES;
    assert_eq!(limits, Limits::expected(asked.memory_bytes + reserve + overhead, CPUS));
    group.weights_are_alike()?;

    let directory = host.home().join("vms").join(&job.id);
    let disks = (u64::from(DISK_MEBIBYTES) << 20) + RECORDS_BYTES;
    let mut cases = 0;
    for hog in Hog::ALL {
        let mut was_one = Ok(());
        for look in LOOKS_SECONDS.map(Duration::from_secs) {
            let look = watch(&host, &group, &directory, look);
            let (watched, hogged) = hogs.during(hog, look).await?;
            let told = format!("{}: {watched:?} {hogged:?}", hog.name());
            cases += it_kept_to(&limits, &watched, disks).with_context(|| told.clone())?;
            was_one = it_was_a_hog(hog, &watched, hogged).with_context(|| told);
            if was_one.is_ok() {
                break;
            }
        }
        was_one?;
        assert_eq!(group.limits()?, limits, "the limits while the {} hog ran", hog.name());
    }
    ensure!(cases >= 10, "{cases} limits were looked at");
    assert_eq!(group.oom_kills()?, 0, "the kernel has killed for memory");
    hogs.finish().await?;
    host.vms_are_gone().await?;
    until("its cgroup is gone", Duration::from_secs(30), async || {
        Ok(group.is_gone().then_some(()))
    })
    .await?;
    host.stop().await
}

/// How many limits were held.
fn it_kept_to(limits: &Limits, watched: &Watched, disks: u64) -> anyhow::Result<usize> {
    ensure!(watched.memory_bytes <= limits.memory_bytes, "too much memory");
    ensure!(watched.tasks <= limits.pids, "too many threads");
    ensure!(watched.disk_bytes <= disks, "more of the host's disk than {disks}");
    let mut held = 3;
    if let Some(processors) = limits.processors {
        // A period may have begun before we looked, and another end after it.
        let wall = watched.wall + Duration::from_millis(200);
        let most = wall.mul_f64(processors);
        ensure!(watched.cpu_time <= most, "more time than {most:?} of {processors} processors");
        held += 1;
    }
    Ok(held)
}

/// Otherwise there was nothing to hold it back from.
fn it_was_a_hog(hog: Hog, watched: &Watched, hogged: Hogged) -> anyhow::Result<()> {
    let busy = watched.cpu_time >= watched.wall / 10;
    let (is_one, due) = match hog {
        Hog::ForkBomb => (hogged.forks >= 300 && busy, "300 processes"),
        Hog::Cpu => (busy, "a tenth of a processor"),
        Hog::Memory => (watched.memory_bytes >= 256 << 20, "256 MiB"),
        Hog::Disk => (watched.disk_bytes >= 16 << 20, "16 MiB on the disk"),
        Hog::Output => (hogged.output_bytes >= 256 << 10, "256 KiB of output"),
    };
    ensure!(is_one, "it did not take {due}");
    Ok(())
}

//! What the daemon takes of its host for as long as it lives, and what it may give to jobs.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path, sync::Arc};

use kiln_images::GuestImage;
use kiln_registry::store::StoreError;

use crate::{
    api::LOCAL_TENANT,
    config::{BudgetConfig, Config},
    home::Home,
    host::{cgroup::Cgroups, gives_users},
    lifecycle::Host,
    network::Networks,
    output::Outputs,
    pool::{Numbers, Slot},
    registry::Service,
    scheduler::Budget,
    source::{Sources, SourcesError},
    store::{JobHandle, Store},
    vmm::Vmm,
};

/// What `stat` counts in.
const BLOCK_BYTES: u64 = 512;

#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error(transparent)]
    Sources(#[from] SourcesError),
    #[error("what is free below the home could not be measured")]
    Free(#[source] io::Error),
    #[error("how much the registry holds could not be found out")]
    Registry(#[from] StoreError),
}

/// What was claimed, and is the host's from here on.
pub(super) struct Ground {
    pub(super) home: Home,
    pub(super) image: GuestImage,
    pub(super) slot: Slot,
}

/// What guests and others have in common; `None` where there is none.
pub(super) struct Shared {
    pub(super) networks: Option<Arc<Networks>>,
    pub(super) registry: Option<Arc<Service>>,
}

/// The jobs of this home.
pub(super) struct Jobs<'a> {
    pub(super) store: &'a Arc<Store>,
    pub(super) alive: &'a [Arc<JobHandle>],
}

/// Everything that jobs run with, and the budget that they share.
pub(super) async fn take(
    ground: Ground,
    config: &Config,
    vmm: Box<dyn Vmm>,
    shared: Shared,
    jobs: Jobs<'_>,
) -> Result<(Arc<Host>, Budget), HostError> {
    let Ground { home, image, slot } = ground;
    let Shared { networks, registry } = shared;
    let Jobs { store, alive } = jobs;
    let growth = match &registry {
        Some(registry) => registry.may_grow(LOCAL_TENANT).await?,
        None => 0,
    };
    let total = budget(&home, config.budget, growth).map_err(HostError::Free)?;
    let numbers = Numbers::new(slot);
    // Before the first new one is taken: their machines may be running.
    for number in alive.iter().filter_map(|job| job.recovery().number) {
        numbers.reserve(number);
    }
    let cgroups = match Cgroups::detect(home.instance()) {
        Ok(cgroups) => {
            for limit in cgroups.missing() {
                tracing::warn!(limit, "this kernel keeps no such limit for VMs");
            }
            Some(cgroups)
        }
        Err(reason) => {
            tracing::warn!(%reason, "VMs have no cgroups of their own here");
            None
        }
    };
    let host = Host {
        store: Arc::clone(store),
        sources: Sources::open(&home.sources_directory(), total.disk_bytes)?,
        outputs: Outputs::new(home.jobs_directory()),
        home,
        image,
        vmm,
        cgroups,
        numbers,
        vm_users: gives_users().then_some(config.vm_users),
        networks,
        registry,
        log_quota: config.log_quota,
        limits: config.limits,
    };
    Ok((Arc::new(host), total))
}

fn budget(home: &Home, config: BudgetConfig, growth: u64) -> io::Result<Budget> {
    let BudgetConfig { vms, cpus, memory_bytes, disk_bytes } = config;
    let disk_bytes = match disk_bytes {
        Some(bytes) => bytes,
        None => {
            let statistics = rustix::fs::statvfs(home.path())?;
            let free = statistics.f_bavail.saturating_mul(statistics.f_frsize);
            share_of_vms(free.saturating_add(in_use(&home.vms_directory())?), growth)
        }
    };
    Ok(Budget { cpus, memory_bytes, disk_bytes, vms })
}

/// Of all that is free, without being told: they leave the registry what it may still take, as far as
/// that is no more than a quarter.
fn share_of_vms(all: u64, growth: u64) -> u64 {
    (all - growth.min(all / 4)) / 10 * 9
}

/// What VMs of an earlier daemon have written: those that run on have it as their share, and it must
/// not be missing from the whole as well.
fn in_use(vms: &Path) -> io::Result<u64> {
    let mut blocks = 0;
    for vm in fs::read_dir(vms)? {
        // One that is no directory is the reconciler's, and so are its files.
        let Ok(files) = fs::read_dir(vm?.path()) else { continue };
        for file in files.flatten() {
            blocks += file.metadata().map_or(0, |data| data.blocks());
        }
    }
    Ok(blocks * BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{fs, in_use, share_of_vms};

    #[test]
    fn the_registry_is_left_what_it_may_take_up_to_a_quarter() {
        for (all, growth, share) in [(1000, 0, 900), (1000, 100, 810), (1000, 900, 675), (0, 9, 0)]
        {
            assert_eq!(share_of_vms(all, growth), share, "{all} {growth}");
        }
    }

    #[test]
    fn what_vms_have_written_is_counted_and_holes_are_not() {
        let vms = tempfile::tempdir().unwrap();
        let vm = vms.path().join("vm");
        fs::create_dir(&vm).unwrap();
        assert_eq!(in_use(vms.path()).unwrap(), 0);
        fs::write(vm.join("scratch.raw"), vec![1; 1 << 20]).unwrap();
        fs::File::create(vm.join("output.raw")).unwrap().set_len(1 << 30).unwrap();
        let used = in_use(vms.path()).unwrap();
        assert!((1 << 20..2 << 20).contains(&used), "{used}");
    }
}

//! The reconciler: removes what no job has any more.
//!
//! ```text
//! vms/NAME, cgroup kiln-INSTANCE/NAME,  ── a live job's? ── yes ──▶ left alone
//! network                                     └── no ──▶ processes ended, network, cgroup and
//!                                                        directory removed
//! ```
//!
//! It runs before the first job of a daemon and once in a while after. A job is live from before
//! its first thing is taken until after its last is given back, so what is found here and belongs
//! to no live job is an orphan, however it came to be. That it is ours is proven for each thing: a
//! directory lies in our home, which is locked; a cgroup carries our instance's id; a process is the
//! one that its directory's record names, by boot, number and start time, or it is not touched; a
//! network is found by what the kernel keeps of it under our instance's id.
//! What can't be removed now is tried again.

use std::{collections::BTreeSet, convert::Infallible, io, sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    host::remove_vm,
    job::JobId,
    lifecycle::{CGROUP_LIMIT, Host},
    store::{Store, StoreError},
    vmm::{self, Reaped},
};

/// Orphans are rare, and looking for them is two directory listings.
const PERIOD: Duration = Duration::from_secs(60);

/// How many are removed at once.
const AT_A_TIME: usize = 16;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub removed: usize,
    /// Not provably ours, or not to be removed now.
    pub left: usize,
    pub took: Duration,
}

/// Sweeps once in a while, for ever.
pub async fn run(host: Arc<Host>, store: Arc<Store>) -> Infallible {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, and the daemon has just swept.
    period.tick().await;
    loop {
        period.tick().await;
        report(sweep(&host, &store).await);
    }
}

/// Removes every orphan there is.
///
/// Several at a time: most of one's removal is waiting, for its supervisor's answer and for the
/// kernel.
pub async fn sweep(host: &Arc<Host>, store: &Store) -> Swept {
    let began = Instant::now();
    let names = match orphans(host, store) {
        Ok(names) => names,
        Err(error) => {
            tracing::error!(%error, "what is left of earlier VMs could not be listed");
            return Swept { left: 1, ..Swept::default() };
        }
    };
    let mut left = names.clone();
    let mut clearing = JoinSet::new();
    // One that panicked has said so, and is left.
    let mut count = |cleared: Result<Option<String>, JoinError>| {
        if let Ok(Some(name)) = cleared {
            left.remove(&name);
        }
    };
    for name in &names {
        if clearing.len() == AT_A_TIME
            && let Some(cleared) = clearing.join_next().await
        {
            count(cleared);
        }
        let (host, name) = (Arc::clone(host), name.clone());
        clearing.spawn(async move { clear_vm(&host, &name).await.then_some(name) });
    }
    while let Some(cleared) = clearing.join_next().await {
        count(cleared);
    }
    sweep_networks(host, store).await;
    if let Err(error) = give_leases_back(store, &left).await {
        tracing::error!(%error, "what jobs that are over hold on record could not be given back");
    }
    let (removed, left) = (names.len() - left.len(), left.len());
    Swept { removed, left, took: began.elapsed() }
}

/// Of networks whose machines have no trace any more but them.
async fn sweep_networks(host: &Host, store: &Store) {
    let Some(networks) = &host.networks else { return };
    // A job has a number from before its network until after it.
    let keep = || {
        let alive = store.alive().into_iter();
        let holding = alive.filter(|job| job.recovery().number.is_some());
        holding.map(|job| job.id().to_string()).collect()
    };
    if let Err(error) = networks.sweep(keep).await {
        let error = error.in_words();
        tracing::error!(error, "what is left of networks of earlier VMs could not be removed");
    }
}

/// Of jobs that are over and of which nothing is left: with a lease they could never be forgotten.
async fn give_leases_back(store: &Store, left: &BTreeSet<String>) -> Result<(), StoreError> {
    for lease in store.leases_of_ended_jobs().await? {
        if left.contains(lease.job.as_str()) || store.is_alive(&lease.job) {
            continue;
        }
        if let Some(job) = store.find_any(&lease.job).await? {
            job.release_lease(lease.kind, lease.name).detach();
        }
    }
    Ok(())
}

/// Says what a sweep found, if it found anything.
pub fn report(swept: Swept) {
    let Swept { removed, left, took } = swept;
    let took_ms = took.as_millis();
    if left > 0 {
        tracing::error!(
            removed,
            left,
            took_ms,
            "orphans of earlier VMs: some could not be removed"
        );
    } else if removed > 0 {
        tracing::warn!(removed, took_ms, "orphans of earlier VMs were removed");
    }
}

/// Everything that is named like a machine of ours, and is no live job's. The listings come first
/// and the question after: a job is live before it takes anything.
fn orphans(host: &Host, store: &Store) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(host.home.vms_directory())? {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    if let Some(cgroups) = &host.cgroups {
        names.extend(cgroups.leftovers()?);
    }
    names.retain(|name| !name.parse::<JobId>().is_ok_and(|id| store.is_alive(&id)));
    Ok(names)
}

/// Ends and removes what is left of one machine; false if something had to stay.
pub(crate) async fn clear_vm(host: &Host, name: &str) -> bool {
    let directory = host.home.vms_directory().join(name);
    let instance = host.home.instance();
    if directory.symlink_metadata().is_ok_and(|data| !data.is_dir()) {
        // No machine lives in what is no directory.
        return remove_vm(&directory).is_ok();
    }
    match vmm::reap(&directory, instance).await {
        Ok(Reaped::Nothing | Reaped::Ended) => {}
        Ok(Reaped::NotOurs) => {
            let path = directory.display();
            tracing::error!(%path, "what runs in a VM's directory is not provably ours: left alone");
            return false;
        }
        Err(error) => {
            tracing::error!(path = %directory.display(), %error, "a VM could not be ended");
            return false;
        }
    }
    if let Some(networks) = &host.networks
        && let Err(error) = networks.release(name).await
    {
        let error = error.in_words();
        tracing::error!(name, error, "the network of a VM is left behind");
        return false;
    }
    if let Some(cgroup) = host.cgroups.as_ref().and_then(|cgroups| cgroups.open(name))
        && let Err(error) = cgroup.remove(CGROUP_LIMIT).await
    {
        tracing::error!(name, %error, "the cgroup of a VM is left behind");
        return false;
    }
    let path = directory.clone();
    let removed = spawn_blocking(move || remove_vm(&path)).await.map_err(io::Error::other);
    if let Err(error) = removed.and_then(|removed| removed) {
        tracing::error!(path = %directory.display(), %error, "the directory of a VM is left behind");
        return false;
    }
    true
}

//! The daemon: everything put together, from start to shutdown.
//!
//! ```text
//! claim: home ─▶ image ─▶ slot ─▶ helper ─▶ no privileges
//! run: VMM ─▶ store ─▶ networks ─▶ registry ─▶ sources ─▶ reconciler ─▶ scheduler ─▶ socket ─▶ ready
//!
//! ready ──SIGTERM──▶ draining ── every running job has ended, or the limit is over ──▶ left
//!   └─────SIGINT───▶ ending: running jobs are ended, and all is given back ──▶ left
//! ```
//!
//! The socket comes last, so whoever can connect is served. *Draining*: no new jobs, no starts;
//! calls are served on. What still runs at its end is left under its supervisors for the next kilnd
//! of this home, and so is what waits in the queue: leaving is what a crash does, only tidier.
//! *Ending* is for who takes the host's VMs down with the daemon: running jobs fail honestly, and
//! queued ones wait for the next kilnd.

pub(crate) mod choose;
mod claim;
mod host;
mod networks;
mod registry;
mod serve;
mod signals;
mod socket;
pub(crate) mod user;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    task::{JoinSet, spawn_blocking},
    time::sleep,
};

use self::socket::ListeningSocket;
pub use self::{
    claim::{ClaimError, Claimed, claim},
    host::HostError,
    signals::{Shutdown, Stop},
    user::UserError,
};
use crate::{
    admission,
    api::{ArtifactApi, ArtifactApiParts, HostApi, HostApiParts, ImageApi, JobApi, JobApiParts},
    config::{Config, RetentionConfig},
    host::helper,
    lifecycle::Host,
    notify::Notifier,
    reconcile,
    registry::{Listening, Service},
    retention::{KeptJobs, Retention, RetentionLimits},
    scheduler::{Budget, Runner, Scheduler},
    store::Store,
    vmm::{JailState, Vmm},
};

/// For what waits in the store's writer to be on the disk before the daemon goes.
const CLOSING: Duration = Duration::from_secs(10);
const RETENTION_PERIOD: Duration = Duration::from_secs(60);
/// How long a source may lie unused.
const SOURCES_AGE: Duration = Duration::from_secs(3600);
const SOURCES_PERIOD: Duration = Duration::from_secs(60);

/// Runs with the driver that the configuration chooses, until `shutdown` says so. What runs on then,
/// or after an error, must not be dropped: whoever calls this exits with its runtime as it is.
pub async fn run(claimed: Claimed, shutdown: Shutdown) -> anyhow::Result<()> {
    let vmm = choose::vmm(&claimed.config, &claimed.home, &claimed.image).await?;
    run_with(claimed, vmm, shutdown).await
}

/// Runs with a driver that somebody else brings.
pub async fn run_with(
    claimed: Claimed,
    vmm: Box<dyn Vmm>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let Claimed { config, home, image, slot } = claimed;
    let notifier = Notifier::from_environment()?;
    let identity = vmm.identity().clone();
    let instance = home.instance().to_owned();
    let (store, alive) = Store::open(&home.store_directory())?;
    let networks = networks::take(&config).await?;
    let of_guests = config.network.as_ref().filter(|_| networks.is_ok());
    let registry::Taken { service: registry, listening } =
        registry::take(&config, &home, of_guests).await?;
    let ground = host::Ground { home, image, slot };
    let shared = host::Shared { networks: networks.clone().ok(), registry: registry.clone().ok() };
    let (host, total) =
        host::take(ground, &config, vmm, shared, host::Jobs { store: &store, alive: &alive })
            .await?;
    reconcile::report(reconcile::sweep(&host, &store).await);
    let jail = JailState::expected(host.vm_users.is_some());
    let runner: Arc<dyn Runner> = Arc::new(Arc::clone(&host));
    let recovered = alive.len();
    let mut released = JoinSet::new();
    for job in &alive {
        if job.has_ended() {
            // Told already; what it left is given back.
            let (runner, job) = (Arc::clone(&runner), Arc::clone(job));
            released.spawn(async move { runner.adopt(job).await });
        } else if let Ok(holds) = host.sources.hold_inputs(&job.owner().tenant, job.spec()) {
            // A job whose sources are gone says so when its turn comes.
            holds.until_ended(job.watch());
        }
    }
    // Before anything starts: their machines may have a share of the budget still.
    while released.join_next().await.is_some() {}
    let scheduler = Scheduler::start(
        runner,
        Arc::clone(&store),
        total,
        networks::admitted(&networks),
        config.max_queued,
        alive,
    );
    let builds = admission::builds(registry.is_ok(), networks.is_ok());
    let images = admission::images(registry.is_ok());
    let scheduler = scheduler.with_most_cpus(config.host_cpus);
    let scheduler = scheduler.with_builds(builds).with_images(images);
    let scheduler = Arc::new(scheduler);
    let bound = ListeningSocket::bind(&config.socket);
    let (socket, listener) = bound.inspect_err(|_| release_cgroups(&host))?;
    tracing::info!(
        instance,
        recovered,
        uid = rustix::process::getuid().as_raw(),
        socket = %config.socket.display(),
        vmm = identity.name,
        version = identity.version,
        accelerator = identity.accelerator,
        "ready"
    );
    notifier.ready();
    let limits = retained(&config, total);
    let jobs = JobApi::new(JobApiParts {
        scheduler: Arc::clone(&scheduler),
        store: Arc::clone(&store),
        sources: host.sources.clone(),
        outputs: host.outputs.clone(),
        jobs: host.home.jobs_directory(),
        most_output_bytes: limits.output_bytes,
    });
    let itself = HostApi::new(HostApiParts {
        instance,
        vmm: identity,
        jail,
        networks,
        registry: registry.clone(),
        scheduler: Arc::clone(&scheduler),
    });
    let images = ImageApi::new(registry.clone());
    let artifacts = ArtifactApi::new(ArtifactApiParts {
        store: Arc::clone(&store),
        outputs: host.outputs.clone(),
        registry: registry.clone(),
    });
    let server = serve::Server {
        listener,
        jobs,
        itself,
        images,
        artifacts,
        drain_limit: config.drain_limit,
    };
    let kept = KeptJobs::new(Arc::clone(&store), host.outputs.clone(), host.home.jobs_directory())
        .with_registry(registry.clone().ok());
    let retention = Retention::new(Arc::new(kept), limits);
    let stopped = tokio::select! {
        served = server.until(&shutdown, &scheduler, &notifier) => served,
        never = reconcile::run(Arc::clone(&host), Arc::clone(&store)) => match never {},
        () = retention.run(RETENTION_PERIOD) => Ok(()),
        () = forget_sources(&host) => Ok(()),
        never = keep_registry(registry.ok(), listening) => match never {},
        () = notifier.signs_of_life() => Ok(()),
        // The next kilnd starts another one, and takes up what runs.
        () = helper::lost() => Err(anyhow::anyhow!("the helper has ended, and kilnd cannot go on")),
    };
    // The record of what was done last, whatever ended us.
    if let Err(error) = store.close(CLOSING).await {
        tracing::error!(%error, "kilnd goes before everything is written down");
    }
    socket.release();
    if let Some(networks) = &host.networks {
        networks.release_host().await;
    }
    release_cgroups(&host);
    stopped?;
    tracing::info!("stopped");
    Ok(())
}

/// The home's own; the kernel keeps those in which VMs are.
fn release_cgroups(host: &Host) {
    if let Some(cgroups) = &host.cgroups {
        cgroups.release();
    }
}

/// What is kept of jobs that have ended.
fn retained(config: &Config, total: Budget) -> RetentionLimits {
    let RetentionConfig { jobs, age, outputs_age, outputs_bytes } = config.retention;
    RetentionLimits {
        jobs,
        job_age: age,
        output_age: outputs_age,
        output_bytes: outputs_bytes.unwrap_or(total.disk_bytes / 4),
    }
}

/// Serves local clients, and tidies up, where there is a registry.
async fn keep_registry(
    service: Option<Arc<Service>>,
    listening: Option<Listening>,
) -> std::convert::Infallible {
    let Some(service) = service else { return std::future::pending().await };
    let Some(listening) = listening else { return service.tend().await };
    tokio::select! {
        never = listening.serve(Arc::clone(&service)) => never,
        never = service.tend() => never,
    }
}

/// Those that no job names, once in a while.
async fn forget_sources(host: &Host) {
    loop {
        sleep(SOURCES_PERIOD).await;
        let sources = host.sources.clone();
        let forget = move || sources.forget_unused(SystemTime::now(), SOURCES_AGE);
        match spawn_blocking(forget).await {
            Ok(forgotten) if forgotten.is_empty() => {}
            Ok(forgotten) => tracing::info!(sources = forgotten.len(), "unused sources are gone"),
            Err(error) => tracing::error!(%error, "unused sources could not be forgotten"),
        }
    }
}

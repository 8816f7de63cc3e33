//! The daemon: everything put together, from start to shutdown.
//!
//! ```text
//! home ─▶ image ─▶ VMM ─▶ slot ─▶ store ─▶ sources ─▶ reconciler ─▶ scheduler ─▶ socket ─▶ ready
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

mod choose;
mod host;
mod serve;
mod signals;
mod socket;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kiln_images::GuestImage;
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::sleep,
};

use self::socket::ListeningSocket;
pub use self::{
    host::HostError,
    signals::{Shutdown, Stop},
};
use crate::{
    api::{HostApi, HostApiParts, JobApi, JobApiParts},
    config::{Config, RetentionConfig},
    home::Home,
    lifecycle::Host,
    notify::Notifier,
    reconcile,
    retention::{KeptJobs, Retention, RetentionLimits},
    scheduler::{Budget, Runner, Scheduler},
    store::Store,
    vmm::Vmm,
};

/// For what waits in the store's writer to be on the disk before the daemon goes.
const CLOSING: Duration = Duration::from_secs(10);
const RETENTION_PERIOD: Duration = Duration::from_secs(60);
/// How long a source may lie unused.
const SOURCES_AGE: Duration = Duration::from_secs(3600);
const SOURCES_PERIOD: Duration = Duration::from_secs(60);

/// Runs with the driver that the configuration chooses, until `shutdown` says so. What runs on then,
/// or after an error, must not be dropped: whoever calls this exits with its runtime as it is.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let home = Home::open(&config.home)?;
    let image = opened(&config).await?;
    let vmm = choose::vmm(&config, &home, &image).await?;
    run_in(home, config, image, Box::new(vmm), shutdown).await
}

/// Runs with a driver that somebody else brings.
pub async fn run_with(config: Config, vmm: Box<dyn Vmm>, shutdown: Shutdown) -> anyhow::Result<()> {
    let home = Home::open(&config.home)?;
    let image = opened(&config).await?;
    run_in(home, config, image, vmm, shutdown).await
}

async fn run_in(
    home: Home,
    config: Config,
    image: GuestImage,
    vmm: Box<dyn Vmm>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let notifier = Notifier::from_environment()?;
    let identity = vmm.identity().clone();
    let instance = home.instance().to_owned();
    let (store, alive) = Store::open(&home.store_directory())?;
    let (host, total) = host::take(home, &config, image, vmm, &alive)?;
    reconcile::report(reconcile::sweep(&host, &store).await);
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
    let scheduler = Scheduler::start(runner, Arc::clone(&store), total, config.max_queued, alive);
    let scheduler = Arc::new(scheduler.with_most_cpus(config.host_cpus));
    let (socket, listener) = ListeningSocket::bind(&config.socket)?;
    tracing::info!(
        instance,
        recovered,
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
    let itself =
        HostApi::new(HostApiParts { instance, vmm: identity, scheduler: Arc::clone(&scheduler) });
    let server = serve::Server { listener, jobs, itself, drain_limit: config.drain_limit };
    let kept = KeptJobs::new(Arc::clone(&store), host.outputs.clone(), host.home.jobs_directory());
    let retention = Retention::new(Arc::new(kept), limits);
    let stopped = tokio::select! {
        served = server.until(&shutdown, &scheduler, &notifier) => served,
        never = reconcile::run(Arc::clone(&host), Arc::clone(&store)) => match never {},
        () = retention.run(RETENTION_PERIOD) => Ok(()),
        () = forget_sources(&host) => Ok(()),
        () = notifier.signs_of_life() => Ok(()),
    };
    // The record of what was done last, whatever ended us.
    if let Err(error) = store.close(CLOSING).await {
        tracing::error!(%error, "kilnd goes before everything is written down");
    }
    socket.release();
    if let Some(cgroups) = &host.cgroups {
        cgroups.release();
    }
    stopped?;
    tracing::info!("stopped");
    Ok(())
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

/// The guest image, found to be what its manifest says: a root that was altered is not booted.
async fn opened(config: &Config) -> anyhow::Result<GuestImage> {
    let image = GuestImage::open(&config.guest_image)?;
    let verify = move || image.verify().map(|()| image);
    Ok(spawn_blocking(verify).await??)
}

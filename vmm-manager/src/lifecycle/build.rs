//! What a job does beyond others when it is a build.
//!
//! ```text
//!          sources ─┐
//! greeted ──────────┼─▶ `started` ─▶ the engine's client, with an ssh relay beside it
//!          engine ──┘                  │
//!                                      ▼
//!   `exit` ─▶ lengths ─▶ images: the registry's; trees: the host's ─▶ pushes, names ─▶ the record
//! ```
//!
//! *Failure paths*: its secrets went with an earlier kilnd: it never starts. The engine does not
//! start: its last words are the failure's. Anything behind `exit` fails: nothing of the build is
//! kept, and no local name has changed. All of it may be done again from `exit` on.

mod engine;
mod exports;
mod relay;

use std::sync::Arc;

pub(super) use self::{exports::take_over, relay::serve_ssh};
use super::{
    Host,
    greeted::Greeted,
    interrupt::{Interrupted, unless_cancelled},
    sources,
};
use crate::{
    build::{
        BuildRecord,
        order::{self, Standing},
        publish,
        secrets::Secret,
    },
    fault::{Point, at},
    guest::BuildCommand,
    job::{Build, Failure, FailureClass, Step, Work},
    registry::Service,
    store::JobHandle,
};

/// What a job has to build, if it is one that builds.
pub(super) fn of(job: &JobHandle) -> Option<&Build> {
    match &job.spec().work {
        Work::Build(build) => Some(build),
        Work::Exec(_) | Work::Rootfs(_) | Work::Boot(_) => None,
    }
}

/// Before anything is taken of the host for it: whether it can be begun at all.
pub(super) fn check(host: &Host, job: &JobHandle) -> Result<(), Failure> {
    let Some(build) = of(job) else { return Ok(()) };
    registry(host)?;
    secrets(job, build).map(drop)
}

fn secrets(job: &JobHandle, build: &Build) -> Result<Arc<[Secret]>, Failure> {
    job.secrets().of(build).ok_or_else(|| {
        let message = "kilnd was restarted before the build began, and the values of its secrets \
                       were nowhere but in its memory: create it again";
        Failure::new(FailureClass::Infrastructure, message)
            .with("step", Step::Engine)
            .with("reason", "secrets_lost")
    })
}

/// Its contexts are brought in while its engine starts; what takes longer has the step.
pub(super) async fn prepare(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    build: &Build,
) -> Result<(), Interrupted> {
    note_what_it_is_of(job, greeted, build);
    if job.spec().inputs.is_empty() {
        job.begin_step(Step::Engine).detach();
    }
    let engine = unless_cancelled(job.cancellation(), engine::start(host, job, greeted));
    let sources = async {
        let unpacked = sources::unpack(host, job, greeted).await;
        at(Point::Unpacked);
        unpacked
    };
    tokio::pin!(engine, sources);
    tokio::select! {
        ready = &mut engine => {
            ready?;
            sources.await?;
        }
        unpacked = &mut sources => {
            unpacked?;
            if !job.spec().inputs.is_empty() {
                job.begin_step(Step::Engine).detach();
            }
            engine.await?;
        }
    }
    at(Point::EngineReady);
    Ok(())
}

/// Written before `started` is: a later kilnd does not hold its sources any more.
fn note_what_it_is_of(job: &JobHandle, greeted: &Greeted, build: &Build) {
    let sources = greeted.leases.taken.sources();
    let digests: Vec<_> = sources.iter().map(|hold| hold.source().digest.clone()).collect();
    let record = BuildRecord {
        cache_key: order::cache_key(build, &digests),
        context_bytes: sources.iter().map(|hold| hold.source().size_bytes).sum(),
        context_digests: digests,
        ..BuildRecord::default()
    };
    job.record_build(Arc::new(record)).detach();
}

/// The same for the first time and for every later one. A guest that has begun it needs no secrets.
pub(super) fn command(
    host: &Host,
    job: &JobHandle,
    build: &Build,
    output_offset: u64,
    resumed: bool,
) -> BuildCommand {
    let secrets = job.secrets().of(build).unwrap_or_else(|| Arc::new([]));
    let standing = Standing { output_offset, resumed, start_limit: host.limits.exec };
    order::command(job.id(), job.spec(), build, &secrets, standing)
}

/// Nothing is kept of what it made, or had cached here, but what has a name of the tenant's.
pub(super) async fn discard(host: &Host, job: &JobHandle) {
    let (Some(registry), Some(_)) = (&host.registry, of(job)) else { return };
    if let Err(failure) = publish::forget(registry, job.owner(), job.id()).await {
        let reason = failure.message;
        tracing::error!(reason, "what a build left in the registry is left behind");
    }
}

fn registry(host: &Host) -> Result<&Service, Failure> {
    host.registry.as_deref().ok_or_else(|| {
        let message = "this host has no registry, which keeps what is built; start kilnd with one";
        Failure::new(FailureClass::Infrastructure, message).with("reason", "no_registry")
    })
}

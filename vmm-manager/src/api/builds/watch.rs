//! `WatchBuild`: a build at each change, with all its steps.

use std::{sync::Arc, time::Duration};

use kiln_proto::v1;
use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep_until},
};

use crate::{
    api::{
        jobs::{Answers, answers},
        outgoing::build as outgoing,
    },
    build::{BuildRecord, graph::Live},
    job::Job,
    store::JobHandle,
};

/// Between two answers: what steps come to meanwhile is told together.
const PAUSE: Duration = Duration::from_millis(100);

/// As it is now, with what is known of its network and its registry.
pub(super) async fn whole(handle: &JobHandle) -> v1::Build {
    let job = handle.look().await;
    outgoing::whole(&job, steps(handle, &job).as_deref())
}

/// As they are told of now, else as they are written down.
fn steps(handle: &JobHandle, job: &Job) -> Option<Arc<BuildRecord>> {
    let live = handle.build().filter(|_| !job.has_ended());
    live.map(|live| Arc::clone(&live.borrow())).or_else(|| job.build.clone())
}

pub(super) fn watch(handle: Arc<JobHandle>) -> Answers<v1::WatchBuildResponse> {
    let (answers, stream) = answers();
    tokio::spawn(async move {
        let (mut changes, mut graphs) = (handle.watch(), handle.watch_build());
        loop {
            changes.mark_unchanged();
            // The graph that is shown, and no other, is the one whose changes are awaited.
            let mut live = graphs.borrow_and_update().clone();
            if let Some(live) = &mut live {
                live.mark_unchanged();
            }
            let job = handle.snapshot();
            let build = Some(outgoing::build(&job, steps(&handle, &job).as_deref()));
            let answer = v1::WatchBuildResponse { build };
            if answers.send(Ok(answer)).await.is_err() || job.has_ended() {
                return;
            }
            let earliest = Instant::now() + PAUSE;
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = other(&mut graphs) => {}
                () = next(&mut live) => sleep_until(earliest).await,
                () = answers.closed() => return,
            }
        }
    });
    stream
}

/// The job's handle has it as long as it lives, and so do we.
async fn other(graphs: &mut Receiver<Option<Live>>) {
    if graphs.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Steps that are told of no more change no more: the job does.
async fn next(live: &mut Option<Live>) {
    let changed = match live {
        Some(live) => live.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}

//! `WatchJob`: a job at each change, of its place in the queue too.

use std::sync::Arc;

use kiln_proto::v1;

use super::{
    jobs::{Answers, answers},
    outgoing,
};
use crate::store::JobHandle;

pub(super) fn watch(handle: Arc<JobHandle>) -> Answers<v1::WatchJobResponse> {
    let (answers, stream) = answers();
    tokio::spawn(async move {
        let mut changes = handle.watch();
        loop {
            changes.mark_unchanged();
            let job = handle.snapshot();
            let answer = v1::WatchJobResponse { job: Some(outgoing::job(&job)) };
            if answers.send(Ok(answer)).await.is_err() || job.has_ended() {
                return;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = answers.closed() => return,
            }
        }
    });
    stream
}

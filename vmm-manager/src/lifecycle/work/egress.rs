//! What the command's network has to do with how the job ended.

use std::{sync::Arc, time::SystemTime};

use kiln_net::record::EgressRecord;

use crate::{
    job::{Outcome, denial},
    lifecycle::{created::record_egress, greeted::Greeted},
    log::{Log, LogEvent},
    store::JobHandle,
};

/// Puts what has happened on the network into the job's record, before its end is.
pub(super) async fn record(job: &JobHandle, greeted: &Greeted) -> Option<Arc<EgressRecord>> {
    let record = greeted.egress()?.look().await;
    record_egress(job, &record);
    Some(record)
}

/// Whether what was refused explains that the command failed. Its log is complete.
pub(super) async fn judged(
    outcome: Outcome,
    record: Option<&EgressRecord>,
    log: &Log,
    ended_at: SystemTime,
) -> Outcome {
    match (outcome, record) {
        (Outcome::Failed { failure, exit }, Some(record)) if !record.refusals.is_empty() => {
            let tail = tail(log).await;
            let failure = denial::explained(failure, record, &tail, ended_at);
            Outcome::Failed { failure, exit }
        }
        (other, _) => other,
    }
}

/// The end of the output; what of it can't be read explains nothing.
async fn tail(log: &Log) -> Vec<u8> {
    let start = log.summary().end_offset.saturating_sub(denial::TAIL_BYTES as u64);
    let mut reader = log.read_from(start);
    let mut tail = Vec::new();
    while let Ok(Some(event)) = reader.next_stored().await {
        if let LogEvent::Chunk { data, .. } = event {
            tail.extend_from_slice(&data);
        }
    }
    tail
}

//! What the command's network and registry have to do with how the job ended.

use std::{sync::Arc, time::SystemTime};

use kiln_net::record::EgressRecord;

use super::sink::Sink;
use crate::{
    build::fault::Evidence,
    job::{
        JobSpec, Outcome,
        denial::{self, Refusals},
    },
    lifecycle::{
        created::{record_egress, record_registry},
        greeted::Greeted,
    },
    log::{Log, LogEvent},
    registry::RegistryRecord,
    store::JobHandle,
};

/// What the command used of the outside, as far as the host saw it.
pub(in crate::lifecycle) struct Used {
    network: Option<Arc<EgressRecord>>,
    registry: Option<Arc<RegistryRecord>>,
}

/// Puts what has happened into the job's record, before its end is.
pub(in crate::lifecycle) async fn record(job: &JobHandle, greeted: &Greeted) -> Used {
    // First: what was served after it is not the command's.
    let registry = greeted.registry().map(|ledger| record_registry(job, ledger));
    let network = match greeted.egress() {
        Some(view) => {
            let record = view.look().await;
            record_egress(job, &record);
            Some(record)
        }
        None => None,
    };
    Used { network, registry }
}

/// Whether what was refused explains that the command failed. Its log is complete.
pub(super) async fn judged(
    outcome: Outcome,
    used: &Used,
    (sink, log): (&Sink, &Log),
    spec: &JobSpec,
    ended_at: SystemTime,
) -> Outcome {
    let Used { network, registry } = used;
    let refusals = Refusals { network: network.as_deref(), registry: registry.as_deref() };
    let evidence = Evidence { error: None, step: None, tail: &[], refusals, ended_at };
    if let Some(judged) = sink.judged(&outcome, spec, evidence) {
        return judged;
    }
    match outcome {
        Outcome::Failed { failure, exit } if !refusals.is_empty() => {
            let tail = tail(log).await;
            let failure = denial::explained(failure, refusals, &tail, ended_at);
            Outcome::Failed { failure, exit }
        }
        other => other,
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

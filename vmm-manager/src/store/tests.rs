//! The store, its handles and their attach points.

use std::sync::Arc;

use super::{AttachError, CancelReason, JobHandle, Store};
use crate::{
    job::{Exec, Job, JobSpec, Outcome, Owner, Phase, Work},
    log::{LogQuota, LogWriter},
};

fn handle(tenant: &str, attach: bool) -> Arc<JobHandle> {
    let owner = Owner { tenant: tenant.to_owned(), project: "default".to_owned() };
    let exec = Exec {
        argv: vec!["true".to_owned()],
        env: Vec::new(),
        workdir: String::new(),
        user: String::new(),
        stdin: false,
    };
    let spec = JobSpec {
        cpus: 1,
        memory_bytes: 1 << 28,
        disk_bytes: 1 << 28,
        timeout: None,
        attach,
        work: Work::Exec(exec),
    };
    let (_, log) = LogWriter::create("/nonexistent".into(), LogQuota::default());
    Arc::new(JobHandle::new(Job::new(owner, spec), log))
}

#[test]
fn a_tenant_sees_its_own_jobs_only_newest_first() {
    let store = Store::new(10);
    let handles: Vec<_> = (0..4).map(|_| handle("a", false)).collect();
    for handle in &handles {
        store.insert(Arc::clone(handle));
    }
    let foreign = handle("b", false);
    store.insert(Arc::clone(&foreign));
    assert!(store.find("a", foreign.id()).is_none());
    let first = store.list("a", None, None, 3);
    assert_eq!(first.len(), 3);
    assert_eq!(&first[0].id, handles[3].id());
    let rest = store.list("a", None, Some(&first[2].id), 3);
    assert_eq!(rest.iter().map(|job| &job.id).collect::<Vec<_>>(), [handles[0].id()]);
    assert!(store.list("a", Some("other"), None, 3).is_empty());
}

#[test]
fn only_released_jobs_are_forgotten_oldest_first() {
    let store = Store::new(1);
    let handles: Vec<_> = (0..3).map(|_| handle("a", false)).collect();
    for handle in &handles {
        store.insert(Arc::clone(handle));
    }
    handles[0].end(Outcome::Completed);
    assert!(store.forget_surplus().is_empty(), "ended, but not given back yet");
    handles[0].mark_released();
    handles[2].mark_released();
    assert_eq!(store.forget_surplus(), [handles[0].id().clone()]);
    assert!(store.find("a", handles[1].id()).is_some());
}

#[test]
fn the_first_outcome_stands_and_steps_are_closed() {
    let handle = handle("a", false);
    handle.begin_phase(Phase::Preparing);
    handle.begin_step("boot");
    handle.begin_step("work");
    handle.end(Outcome::Cancelled);
    handle.end(Outcome::Completed);
    let job = handle.snapshot();
    assert!(job.has_ended() && job.exit().is_none());
    assert!(job.phases.iter().all(|step| step.duration.is_some()));
    handle.cancel(CancelReason::Shutdown);
    handle.cancel(CancelReason::Asked);
    assert_eq!(handle.cancellation().reason(), Some(CancelReason::Shutdown));
}

#[tokio::test]
async fn one_attachment_and_no_second() {
    assert_eq!(handle("a", false).attach().unwrap_err(), AttachError::NotAsked);
    let gone = handle("a", true);
    drop(gone.attachment());
    assert_eq!(gone.attach().unwrap_err(), AttachError::Ended);
    let handle = handle("a", true);
    let arrival = handle.attachment().unwrap();
    let _client = handle.attach().unwrap();
    assert!(arrival.await.is_ok());
    assert_eq!(handle.attach().unwrap_err(), AttachError::Taken);
}

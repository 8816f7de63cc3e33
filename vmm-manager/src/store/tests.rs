//! The store as its callers see it.

mod full;
mod killed;
mod many;
mod pace;

use std::{path::Path, sync::Arc, time::Duration};

use tempfile::TempDir;

use super::{
    CommitError, ForgetError, JobHandle, LeaseKind, Store, StoreError, SubmitError, Submitted,
    samples::{owner, spec},
};
use crate::{
    job::{
        CommandEnd, JobId, JobSpec, Outcome, Phase, QueuePlace, Rootfs, Step, WaitsFor, Work,
        rootfs::{Ext4, RootfsFormat},
    },
    rootfs,
};

/// Far beyond what any case takes: only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn open(directory: &Path) -> (Arc<Store>, Vec<Arc<JobHandle>>) {
    Store::open(&directory.join("store")).unwrap()
}

fn fresh() -> (TempDir, Arc<Store>) {
    let directory = tempfile::tempdir().unwrap();
    let (store, jobs) = open(directory.path());
    assert!(jobs.is_empty());
    (directory, store)
}

pub(super) async fn close(store: Arc<Store>) {
    store.close(PATIENCE).await.unwrap();
}

pub(super) async fn submit(store: &Store, tenant: &str) -> Arc<JobHandle> {
    let submitted = store.submit(owner(tenant), spec("true"), None).await.unwrap();
    assert!(matches!(submitted, Submitted::New(_)));
    Arc::clone(submitted.handle())
}

/// From the queue to its release.
pub(super) async fn complete(job: &JobHandle) {
    job.begin_attempt().detach();
    job.mark_started().detach();
    job.record_exit(CommandEnd { outcome: Outcome::Completed }).detach();
    job.end(Outcome::Completed).detach();
    job.mark_released().await.unwrap();
}

#[tokio::test]
async fn a_job_is_what_it_was_after_a_restart() {
    let (directory, store) = fresh();
    let job = submit(&store, "a").await;
    job.begin_attempt().await.unwrap();
    job.begin_phase(Phase::Downloading).detach();
    job.begin_step(Step::Source).detach();
    job.lease_number(7).await.unwrap();
    job.mark_started().await.unwrap();
    job.request_cancel().await.unwrap();
    let (before, recovery) = (job.snapshot(), job.recovery());
    assert!(recovery.started && recovery.cancel.is_some() && recovery.number == Some(7));
    close(store).await;
    assert_eq!(job.end(Outcome::Timeout).await, Err(CommitError::Closed));

    let (store, jobs) = open(directory.path());
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].snapshot(), jobs[0].recovery()), (before, recovery));
    assert!(jobs[0].cancellation().reason().is_some(), "the wish is there again");
    assert_eq!(store.leases_of(job.id()).await.unwrap()[0].number, Some(7));
}

#[tokio::test]
async fn jobs_come_back_in_the_order_in_which_they_came_without_those_that_are_over() {
    let (directory, store) = fresh();
    let mut jobs = Vec::new();
    for _ in 0..20 {
        jobs.push(submit(&store, "a").await);
    }
    for job in jobs.iter().step_by(3) {
        complete(job).await;
        assert!(store.alive().iter().all(|alive| alive.id() != job.id()));
    }
    // Ended and not released: something of it may be left.
    jobs[1].end(Outcome::Cancelled).await.unwrap();
    close(store).await;
    let (store, alive) = open(directory.path());
    let expected: Vec<_> = jobs
        .iter()
        .enumerate()
        .filter(|(index, _)| index % 3 != 0)
        .map(|(_, job)| (job.id().clone(), job.order()))
        .collect();
    let found: Vec<_> = alive.iter().map(|job| (job.id().clone(), job.order())).collect();
    assert_eq!(found, expected);
    let over = store.find("a", jobs[0].id()).await.unwrap().unwrap();
    assert!(over.has_ended() && over.is_released());
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.jobs, counts.alive), (20, 13));
}

#[tokio::test]
async fn a_tenant_sees_its_own_jobs_only_newest_first() {
    let (_directory, store) = fresh();
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(submit(&store, "a").await);
    }
    complete(&jobs[1]).await;
    let foreign = submit(&store, "b").await;
    assert!(store.find("a", foreign.id()).await.unwrap().is_none());
    assert!(store.find("a", &JobId::generate()).await.unwrap().is_none());
    let place = QueuePlace { position: 4, waits_for: WaitsFor::Cpus };
    jobs[3].set_place(Some(place));
    let first = store.list("a", None, None, 2).await.unwrap();
    assert_eq!(first.iter().map(|job| &job.id).collect::<Vec<_>>(), [jobs[3].id(), jobs[2].id()]);
    assert_eq!(first[0].place, Some(place), "a page shows what memory knows");
    let rest = store.list("a", Some("default"), Some(&first[1].id), 9).await.unwrap();
    assert_eq!(rest.iter().map(|job| &job.id).collect::<Vec<_>>(), [jobs[1].id(), jobs[0].id()]);
    assert!(rest[0].has_ended());
    assert!(store.list("a", Some("other"), None, 3).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_stands_for_what_was_asked_and_not_for_what_the_host_made_of_it() {
    let (_directory, store) = fresh();
    let rootfs = rootfs::samples::rootfs();
    let submit = async |most_bytes, label: &str| {
        let ext4 = Ext4 { label: label.to_owned(), ..Ext4::default() };
        let rootfs = Rootfs { format: RootfsFormat::Ext4(ext4), ..rootfs.clone() };
        let work = Work::Rootfs(Box::new(rootfs));
        let spec = JobSpec { work, outputs: Rootfs::outputs(most_bytes), ..spec("") };
        store.submit(owner("a"), spec, Some("key".to_owned())).await
    };
    let first = submit(1 << 30, "a").await.unwrap();
    // The host keeps less by now.
    let again = submit(1 << 20, "a").await.unwrap();
    assert_eq!(again.handle().id(), first.handle().id());
    assert!(matches!(submit(1 << 30, "b").await, Err(SubmitError::KeyReused { .. })));
}

#[tokio::test]
async fn one_key_is_one_job_however_many_ask_at_once() {
    let (directory, store) = fresh();
    let submit = |store: Arc<Store>, command: &'static str| async move {
        store.submit(owner("a"), spec(command), Some("key".to_owned())).await
    };
    let asked: Vec<_> =
        (0..100).map(|_| tokio::spawn(submit(Arc::clone(&store), "true"))).collect();
    let mut ids = Vec::new();
    let mut new = 0;
    for asked in asked {
        let submitted = asked.await.unwrap().unwrap();
        new += usize::from(matches!(submitted, Submitted::New(_)));
        ids.push(submitted.handle().id().clone());
    }
    ids.dedup();
    assert_eq!((ids.len(), new, store.alive().len()), (1, 1, 1));
    let reused = submit(Arc::clone(&store), "false").await.unwrap_err();
    assert!(matches!(&reused, SubmitError::KeyReused { job, .. } if *job == ids[0]), "{reused}");
    // Another project's, and another tenant's, is another key.
    let mut elsewhere = owner("a");
    elsewhere.project = "other".to_owned();
    let other = store.submit(elsewhere, spec("false"), Some("key".to_owned())).await.unwrap();
    assert_ne!(other.handle().id(), &ids[0]);

    close(store).await;
    let (store, jobs) = open(directory.path());
    let again = submit(Arc::clone(&store), "true").await.unwrap();
    assert!(matches!(&again, Submitted::Known(job) if Arc::ptr_eq(job, &jobs[0])));
    complete(&jobs[0]).await;
    let over = submit(Arc::clone(&store), "true").await.unwrap();
    assert!(matches!(&over, Submitted::Known(job) if job.has_ended() && job.id() == &ids[0]));
    store.forget(&ids[0]).await.unwrap();
    let anew = submit(Arc::clone(&store), "true").await.unwrap();
    assert!(matches!(&anew, Submitted::New(job) if job.id() != &ids[0]));
}

#[tokio::test]
async fn only_what_is_released_and_holds_nothing_is_forgotten() {
    let (_directory, store) = fresh();
    let job = submit(&store, "a").await;
    let id = job.id().clone();
    assert!(matches!(store.forget(&id).await, Err(ForgetError::Alive { .. })));
    job.begin_attempt().detach();
    job.take_lease(LeaseKind::Cgroup, "/kiln/x").await.unwrap();
    job.end(Outcome::Cancelled).await.unwrap();
    assert!(matches!(store.forget(&id).await, Err(ForgetError::Alive { .. })));
    let held = store.leases_of_ended_jobs().await.unwrap();
    assert_eq!((held.len(), held[0].name.as_str()), (1, "/kiln/x"));
    assert!(!held[0].boot_id.is_empty());
    job.mark_released().await.unwrap();
    assert!(matches!(store.forget(&id).await, Err(ForgetError::Leased { .. })));
    job.release_lease(LeaseKind::Cgroup, "/kiln/x").await.unwrap();
    store.forget(&id).await.unwrap();
    store.forget(&id).await.unwrap();
    assert!(store.find("a", &id).await.unwrap().is_none());
    let refused = job.expire_outputs().await.unwrap_err();
    assert!(refused.to_string().contains("forgotten"), "{refused}");
}

#[tokio::test]
async fn a_lease_needs_a_job_that_runs() {
    let (_directory, store) = fresh();
    let job = submit(&store, "a").await;
    assert!(matches!(
        job.take_lease(LeaseKind::Directory, "/x").await,
        Err(CommitError::Illegal(_))
    ));
    job.begin_attempt().await.unwrap();
    job.lease_number(3).await.unwrap();
    job.take_lease(LeaseKind::Directory, "/x").await.unwrap();
    assert_eq!(store.leases().await.unwrap().len(), 2);
    job.release_lease(LeaseKind::Directory, "/x").await.unwrap();
    // The number goes with the attempt.
    job.requeue().await.unwrap();
    assert!(store.leases().await.unwrap().is_empty());
    assert_eq!((job.snapshot().attempt, job.recovery().number), (2, None));
}

#[tokio::test]
async fn an_attempt_has_a_secret_of_its_own() {
    let (_directory, store) = fresh();
    let job = submit(&store, "a").await;
    let other = submit(&store, "a").await;
    let first = job.recovery().guest_secret;
    assert_ne!(first, other.recovery().guest_secret);
    job.begin_attempt().detach();
    job.requeue().await.unwrap();
    assert_ne!(first, job.recovery().guest_secret);
    let digits: String = first.reveal().map(|byte| format!("{byte:02x}")).concat();
    let shown = format!("{job:?} {:?} {:?}", job.recovery(), job.snapshot());
    assert!(!shown.contains(&digits) && !shown.contains(&format!("{:?}", first.reveal())));
}

#[tokio::test]
async fn changes_on_a_handle_that_is_not_the_live_one_are_the_same_job_s() {
    let (_directory, store) = fresh();
    let job = submit(&store, "a").await;
    complete(&job).await;
    let first = store.find("a", job.id()).await.unwrap().unwrap();
    let second = store.find("a", job.id()).await.unwrap().unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(first.begin_attempt().await.is_err());
    second.expire_outputs().await.unwrap();
    // The first outcome stands, on whichever handle it is asked for.
    first.end(Outcome::Timeout).await.unwrap();
    let third = store.find("a", job.id()).await.unwrap().unwrap();
    assert_eq!(third.snapshot().exit(), job.snapshot().exit());
    assert_eq!(third.snapshot().phases, job.snapshot().phases);
}

#[tokio::test]
async fn retention_is_shown_what_ended_first() {
    let (_directory, store) = fresh();
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(submit(&store, "a").await);
    }
    for index in [3, 0, 4] {
        complete(&jobs[index]).await;
    }
    let ids = |page: Vec<crate::job::Job>| page.into_iter().map(|job| job.id).collect::<Vec<_>>();
    let page = store.ended(None, 2).await.unwrap();
    let cursor = (page[1].ended_at().unwrap(), page[1].id.clone());
    assert_eq!(ids(page), [jobs[3].id().clone(), jobs[0].id().clone()]);
    assert_eq!(ids(store.ended(Some(cursor), 2).await.unwrap()), [jobs[4].id().clone()]);
}

#[tokio::test]
async fn a_place_is_a_queued_job_s_and_is_not_stored() {
    let (directory, store) = fresh();
    let job = submit(&store, "a").await;
    let mut changes = job.watch();
    let place = Some(QueuePlace { position: 2, waits_for: WaitsFor::Turn });
    job.set_place(place);
    changes.changed().await.unwrap();
    assert_eq!(job.snapshot().place, place);
    job.request_cancel().await.unwrap();
    assert_eq!(job.snapshot().place, place, "another change leaves it");
    job.begin_attempt().await.unwrap();
    job.set_place(place);
    assert_eq!(job.snapshot().place, None);
    close(store).await;
    assert_eq!(open(directory.path()).1[0].snapshot().place, None);
}

/// What stands in the file is `bytes`, and stays so.
fn check_refused(bytes: &[u8], refused: impl FnOnce(StoreError) -> bool) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kiln.db");
    std::fs::write(&file, bytes).unwrap();
    let error = Store::open(directory.path()).err().unwrap();
    assert!(!error.to_string().is_empty());
    assert!(refused(error.clone()), "{error}");
    assert!(std::fs::read(&file).unwrap() == bytes, "the file was changed");
}

/// A database of ours with one job, as bytes; changed by `sql`.
async fn bytes_after(sql: &str) -> Vec<u8> {
    let (directory, store) = fresh();
    submit(&store, "a").await;
    close(store).await;
    let file = directory.path().join("store/kiln.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "journal_mode", "DELETE").unwrap();
    connection.execute_batch(sql).unwrap();
    drop(connection);
    std::fs::read(&file).unwrap()
}

#[tokio::test]
async fn what_is_not_ours_to_read_is_refused_as_it_is() {
    let newer = bytes_after("PRAGMA user_version = 99").await;
    check_refused(&newer, |error| matches!(error, StoreError::Newer { theirs: 99, .. }));
    let foreign = bytes_after("PRAGMA application_id = 12").await;
    check_refused(&foreign, |error| matches!(error, StoreError::Foreign { .. }));
    let text = b"this is no database, and was never meant to be one by anybody at all";
    check_refused(&text.repeat(90), |error| matches!(error, StoreError::Damaged { .. }));
    // The first page promises pages that are not there, or not theirs.
    let sound = bytes_after("").await;
    check_refused(&sound[..4096 * 2], |error| matches!(error, StoreError::Damaged { .. }));
    let mut torn = sound.clone();
    torn[4096..].fill(0xa5);
    check_refused(&torn, |error| matches!(error, StoreError::Damaged { .. }));
}

#[tokio::test]
async fn a_record_that_makes_no_sense_is_named() {
    let bytes = bytes_after("UPDATE jobs SET document = '{}'").await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("kiln.db"), bytes).unwrap();
    let error = Store::open(directory.path()).err().unwrap();
    assert!(matches!(error, StoreError::Record { .. }), "{error}");
}

#[tokio::test]
async fn a_file_that_a_daemon_had_no_time_to_fill_is_filled() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("kiln.db"), b"").unwrap();
    let (store, _) = Store::open(directory.path()).unwrap();
    submit(&store, "a").await;
}

#[tokio::test]
async fn nothing_is_seen_before_it_is_durable() {
    let (directory, store) = fresh();
    let job = submit(&store, "a").await;
    // Another connection that writes holds the disk back.
    let other = rusqlite::Connection::open(directory.path().join("store/kiln.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut commit = job.begin_attempt();
    let early = tokio::time::timeout(Duration::from_millis(300), &mut commit).await;
    assert!(early.is_err() && job.is_queued(), "shown before it was written");
    other.execute_batch("ROLLBACK").unwrap();
    commit.await.unwrap();
    assert!(!job.is_queued());
}

//! A disk that is full, and then is not: a small file system that only this test sees.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::UnshareFlags,
};
use tokio::time::timeout;

use super::{PATIENCE, close, open, submit};
use crate::store::{
    CommitError, Health, StoreError, SubmitError,
    samples::{owner, spec},
};

/// Runs a story on a file system of 4 MiB, on a thread whose mounts are its own.
fn on_a_small_disk<F: Future<Output = ()>>(
    story: impl FnOnce(std::path::PathBuf) -> F + Send + 'static,
) {
    if !rustix::process::geteuid().is_root() {
        tracing::warn!("skipped: only root may mount");
        return;
    }
    let told = std::thread::spawn(move || {
        let directory = tempfile::tempdir().unwrap();
        // SAFETY: the thread shares neither memory nor descriptors less than before, only what
        // it sees of mounts.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).unwrap();
        mount("tmpfs", directory.path(), "tmpfs", MountFlags::empty(), c"size=4m").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(story(directory.path().to_owned()));
        drop(runtime);
        let _ = rustix::mount::unmount(directory.path(), rustix::mount::UnmountFlags::DETACH);
    });
    told.join().unwrap();
}

/// Takes all that is left.
fn fill(directory: &Path) {
    let mut ballast = File::create(directory.join("ballast")).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while ballast.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_refuses_new_jobs_and_keeps_what_has_happened() {
    on_a_small_disk(async |directory| {
        let (store, _) = open(&directory);
        let job = submit(&store, "a").await;
        fill(&directory);

        let error = refused(&store).await;
        let SubmitError::Write(StoreError::DiskFull { .. }) = &error else { panic!("{error:?}") };
        let Health::Failing { .. } = store.health() else { panic!("{:?}", store.health()) };
        // What happens meanwhile is neither shown nor lost nor reordered.
        let begun = job.begin_attempt();
        let started = job.mark_started();
        job.lease_number(5).detach();
        let late = begun.within(Duration::from_millis(200)).await.unwrap_err();
        assert!(matches!(late, CommitError::Late { .. }), "{late}");
        assert!(job.is_queued() && !job.recovery().started);
        refused(&store).await;

        fs::remove_file(directory.join("ballast")).unwrap();
        timeout(PATIENCE, started).await.unwrap().unwrap();
        assert!(job.recovery().started);
        let after = submit(&store, "a").await;
        assert!(store.health().is_well());
        assert_eq!(store.list("a", None, None, 10).await.unwrap().len(), 2);
        close(store).await;

        let (_store, jobs) = open(&directory);
        let found: Vec<_> = jobs.iter().map(|job| job.id().clone()).collect();
        assert_eq!(found, [job.id().clone(), after.id().clone()]);
        assert_eq!((jobs[0].recovery().started, jobs[0].recovery().number), (true, Some(5)));
    });
}

#[test]
fn a_store_that_cannot_write_says_so_when_it_is_closed() {
    on_a_small_disk(async |directory| {
        let (store, _) = open(&directory);
        let job = submit(&store, "a").await;
        fill(&directory);
        refused(&store).await;
        let commit = job.begin_attempt();
        let unwritten = store.close(Duration::from_millis(100)).await.unwrap_err();
        assert_eq!(unwritten.changes, 1);
        assert_eq!(commit.await, Err(CommitError::Closed));
        let closed = store.submit(owner("a"), spec("x"), None).await.unwrap_err();
        assert!(matches!(closed, SubmitError::Write(StoreError::Closed)), "{closed}");
    });
}

#[test]
fn a_store_is_well_again_without_being_asked() {
    on_a_small_disk(async |directory| {
        let (store, _) = open(&directory);
        fill(&directory);
        refused(&store).await;
        assert!(!store.health().is_well());
        fs::remove_file(directory.join("ballast")).unwrap();
        let mut health = store.watch_health();
        timeout(PATIENCE, health.wait_for(Health::is_well)).await.unwrap().unwrap();
    });
}

/// Submits until the last page of what was there already is used up.
async fn refused(store: &Arc<crate::store::Store>) -> SubmitError {
    for _ in 0..1000 {
        if let Err(error) = store.submit(owner("a"), spec("full"), None).await {
            return error;
        }
    }
    panic!("the disk is not full")
}

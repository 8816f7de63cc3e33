use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// A real answer of the kernel's, with the free blocks as the test wants them.
fn look(full: &Arc<AtomicBool>) -> Look {
    let full = Arc::clone(full);
    Box::new(move || {
        let mut status = rustix::fs::statfs("/")?;
        status.f_blocks = 1_000_000;
        status.f_files = 0;
        status.f_bavail = if full.load(Ordering::SeqCst) { 0 } else { 500_000 };
        Ok(status)
    })
}

#[tokio::test]
async fn the_last_look_sees_a_disk_that_has_just_run_full() {
    let full = Arc::default();
    let watch = DiskWatch::start(look(&full)).unwrap();
    let watching = watch.watch();
    full.store(true, Ordering::SeqCst);
    assert!(watching.finish().await.is_some());
}

#[tokio::test]
async fn what_was_seen_once_is_remembered_and_told_to_nobody_else() {
    let full = Arc::default();
    let watch = DiskWatch::start(look(&full)).unwrap();
    let watching = watch.watch();
    full.store(true, Ordering::SeqCst);
    tokio::time::sleep(3 * INTERVAL).await;
    full.store(false, Ordering::SeqCst);
    tokio::time::sleep(2 * INTERVAL).await;
    let later = watch.watch();
    assert!(watching.finish().await.is_some());
    assert!(later.finish().await.is_none());
}

#[tokio::test]
async fn a_disk_that_hangs_holds_nobody_up() {
    let watch = DiskWatch::start(Box::new(|| {
        thread::sleep(Duration::from_secs(3));
        Err(rustix::io::Errno::IO)
    }));
    let asked = tokio::time::Instant::now();
    assert!(watch.unwrap().watch().finish().await.is_none());
    assert!(asked.elapsed() < Duration::from_secs(2));
}

//! How fast jobs are taken, against the disk that they are written to. A measurement, run by name:
//! `cargo test --lib store::tests::pace -- --ignored --nocapture`.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{close, open};
use crate::store::{
    Store,
    samples::{owner, spec},
};

const LONG: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, which asserts nothing of a loaded machine"]
#[expect(clippy::print_stderr, reason = "its result")]
async fn submits_against_the_disk() {
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    for clients in [1, 8, 64] {
        let serial = serial_syncs(directory.path());
        let (store, _) = open(directory.path());
        let (rate, worst) = submits(&store, clients).await;
        close(store).await;
        let ratio = rate / serial;
        eprintln!(
            "{clients:>2} clients: {rate:.0}/s, p99 {worst:?}, fdatasync {serial:.0}/s: {ratio:.2}"
        );
    }
}

/// Appends of one page, each made durable.
fn serial_syncs(directory: &Path) -> f64 {
    let mut file = File::create(directory.join("serial")).unwrap();
    let began = Instant::now();
    let mut syncs = 0;
    while began.elapsed() < LONG / 2 {
        file.write_all(&[1; 4096]).unwrap();
        file.sync_data().unwrap();
        syncs += 1;
    }
    f64::from(syncs) / began.elapsed().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "far below what is lost")]
async fn submits(store: &Arc<Store>, clients: usize) -> (f64, Duration) {
    let began = Instant::now();
    let client = |store: Arc<Store>| async move {
        let mut times = Vec::new();
        while began.elapsed() < LONG {
            let asked = Instant::now();
            store.submit(owner("a"), spec("true"), None).await.unwrap();
            times.push(asked.elapsed());
        }
        times
    };
    let clients: Vec<_> = (0..clients).map(|_| tokio::spawn(client(Arc::clone(store)))).collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.unwrap());
    }
    times.sort_unstable();
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    (rate, times[times.len() * 99 / 100])
}

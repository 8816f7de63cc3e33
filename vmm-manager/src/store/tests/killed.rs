//! A daemon killed in the middle of a storm: whatever it had acknowledged is there.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::{PATIENCE, close, complete, open};
use crate::{
    job::JobId,
    store::{
        Store, Submitted,
        samples::{owner, spec},
    },
};

const KILLS: u64 = 50;
const CLIENTS: u64 = 8;
const DIRECTORY: &str = "KILN_STORE_STORM";
const ROUND: &str = "KILN_STORE_ROUND";

/// What a child said before it died.
#[derive(Default)]
struct Heard {
    submitted: HashMap<String, JobId>,
    started: Vec<JobId>,
    released: Vec<JobId>,
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut heard = Heard::default();
    for round in 0..KILLS {
        storm(directory.path(), round, &mut heard).await;
        let (store, _) = open(directory.path());
        verify(&store, &heard).await;
        close(store).await;
    }
    assert!(heard.submitted.len() as u64 >= KILLS, "the storm was none: {}", heard.submitted.len());
    assert!(!heard.started.is_empty() && !heard.released.is_empty());
}

/// Kills a child once it has acknowledged something and a little later.
async fn storm(directory: &Path, round: u64, heard: &mut Heard) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::tests::killed::the_child_that_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Different in each round, so that all moments are met: behind 1 to 97 lines.
    let mut before = 1 + round * 13 % 97;
    while let Some(line) = lines.next_line().await.unwrap() {
        hear(&line, heard);
        before = before.saturating_sub(1);
        if before == 0 {
            child.start_kill().unwrap();
        }
    }
    let status = child.wait().await.unwrap();
    assert!(!status.success(), "the child ended before it was killed");
}

/// The last line of a child may be torn, and is nothing that was said then.
fn hear(line: &str, heard: &mut Heard) {
    let words: Vec<_> = line.split(' ').collect();
    match words[..] {
        ["submitted", key, id, "."] => {
            heard.submitted.insert(key.to_owned(), id.parse().unwrap());
        }
        ["started", id, "."] => heard.started.push(id.parse().unwrap()),
        ["released", id, "."] => heard.released.push(id.parse().unwrap()),
        _ => {}
    }
}

async fn verify(store: &Store, heard: &Heard) {
    let find = async |id: &JobId| store.find("a", id).await.unwrap().expect("it was acknowledged");
    for (key, id) in &heard.submitted {
        find(id).await;
        let again = store.submit(owner("a"), spec(key), Some(key.clone())).await.unwrap();
        assert!(matches!(&again, Submitted::Known(known) if known.id() == id));
    }
    for id in &heard.started {
        assert!(find(id).await.recovery().started);
    }
    for id in &heard.released {
        assert!(find(id).await.is_released());
    }
}

/// Not a test of its own: what [`storm`] runs, in a process of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_that_is_killed() {
    let (Some(directory), Ok(round)) = (std::env::var_os(DIRECTORY), std::env::var(ROUND)) else {
        return;
    };
    let (store, _) = open(&PathBuf::from(directory));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(run(Arc::clone(&store), format!("{round}-{client}"))))
        .collect();
    for client in clients {
        let _ = tokio::time::timeout(PATIENCE, client).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[expect(clippy::print_stdout, reason = "how the child says what it has acknowledged")]
async fn run(store: Arc<Store>, name: String) {
    for index in 0.. {
        let key = format!("{name}-{index}");
        let submitted = store.submit(owner("a"), spec(&key), Some(key.clone())).await.unwrap();
        let job = submitted.handle();
        println!("\nsubmitted {key} {} .", job.id());
        if index % 2 == 0 {
            continue;
        }
        job.begin_attempt().detach();
        job.mark_started().await.unwrap();
        println!("\nstarted {} .", job.id());
        complete_rest(job).await;
        println!("\nreleased {} .", job.id());
    }
}

async fn complete_rest(job: &crate::store::JobHandle) {
    job.end(crate::job::Outcome::Completed).detach();
    job.mark_released().await.unwrap();
}

#[tokio::test]
async fn what_was_in_flight_is_old_or_new() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let job = super::submit(&store, "a").await;
    complete(&job).await;
    // A copy of the files as they are now is what a kill would leave.
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("store")).unwrap();
    for name in ["kiln.db", "kiln.db-wal"] {
        std::fs::copy(
            directory.path().join("store").join(name),
            copy.path().join("store").join(name),
        )
        .unwrap();
    }
    let log = copy.path().join("store/kiln.db-wal");
    let whole = std::fs::read(&log).unwrap();
    for cut in (0..=whole.len()).step_by(997) {
        std::fs::write(&log, &whole[..cut]).unwrap();
        let database = copy.path().join("store/kiln.db");
        let sound = std::fs::read(&database).unwrap();
        let (store, alive) = open(copy.path());
        let found = store.find("a", job.id()).await.unwrap();
        assert!(found.is_none_or(|found| found.is_released() != alive.iter().any(|a| a.id() == job.id())));
        close(store).await;
        std::fs::write(&database, sound).unwrap();
    }
}

//! A store that has been in use for a long time.

use std::time::{Duration, Instant};

use super::open;
use crate::{
    job::{Job, Outcome, State},
    store::{
        change::Record,
        recovery::{GuestSecret, Recovery},
        samples::{owner, spec},
        schema, table,
    },
};

const JOBS: usize = 100_000;

/// Most are over; a few wait.
fn fill(directory: &std::path::Path, jobs: usize) {
    std::fs::create_dir_all(directory.join("store")).unwrap();
    let mut connection = schema::open_for_writing(&directory.join("store/kiln.db")).unwrap();
    let transaction = connection.transaction().unwrap();
    for index in 0..jobs {
        let mut job = Job::new(owner("a"), spec("true"));
        job.idempotency_key = Some(format!("key-{index}"));
        let mut recovery = Recovery::of_new(GuestSecret::of([1; 32]));
        if index % 1000 != 0 {
            let now = job.created_at;
            job.state =
                State::Ended { outcome: Outcome::Completed, started_at: Some(now), ended_at: now };
            recovery.released = true;
        }
        table::insert(&transaction, &Record { job, recovery, order: 0 }).unwrap();
    }
    transaction.commit().unwrap();
}

#[tokio::test]
async fn a_restart_costs_what_is_alive_and_not_what_has_been() {
    let few = tempfile::tempdir().unwrap();
    fill(few.path(), 100);
    let many = tempfile::tempdir().unwrap();
    fill(many.path(), JOBS);
    let timed = |directory: &std::path::Path| {
        let began = Instant::now();
        let opened = open(directory);
        (began.elapsed(), opened)
    };
    let (base, _) = timed(few.path());
    let (long, (store, alive)) = timed(many.path());
    assert_eq!(alive.len(), JOBS / 1000);
    assert_eq!(store.alive().len(), JOBS / 1000, "what is over is not in memory");
    // A scan of all rows takes some hundred times the base.
    assert!(long < base * 20 + Duration::from_secs(2), "{long:?} against {base:?}");
    eprintln(&format!("open with {JOBS} jobs: {long:?}; with 100: {base:?}"));
    let page = store.list("a", None, None, 1000).await.unwrap();
    assert_eq!(page.len(), 1000);
    let known = store.find_by_key(&owner("a"), "key-77777").await.unwrap().unwrap();
    assert!(known.is_released());
}

/// The plans that keep searches short, whatever the planner learns later.
#[test]
fn searches_use_their_indexes() {
    let directory = tempfile::tempdir().unwrap();
    let connection = schema::open_for_writing(&directory.path().join("kiln.db")).unwrap();
    let check = |query: &str, index: &str| {
        let plan: Vec<String> = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {query}"))
            .unwrap()
            .query_map([], |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(plan.iter().any(|step| step.contains(index)), "{query}: {plan:?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{query}: {plan:?}");
    };
    check("SELECT * FROM jobs WHERE released = 0 ORDER BY seq", "jobs_alive");
    check(
        "SELECT * FROM jobs WHERE released = 1 AND (ended_at, id) > (1, 'x') \
         ORDER BY ended_at, id LIMIT 5",
        "jobs_over",
    );
    check(
        "SELECT * FROM jobs WHERE tenant = 'a' AND id < 'x' ORDER BY id DESC LIMIT 5",
        "jobs_of_tenant",
    );
    check(
        "SELECT * FROM jobs WHERE tenant = 'a' AND project = 'p' AND idempotency_key = 'k'",
        "jobs_by_key",
    );
}

#[expect(clippy::print_stderr, reason = "a figure for whoever reads the test's output")]
fn eprintln(text: &str) {
    eprintln!("{text}");
}

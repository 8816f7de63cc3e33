//! SIGKILL before any write, sync, rename or unlink of the script.

use std::{
    os::unix::process::ExitStatusExt as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use kiln_faults::{Action, Operation, Rule, read_records};

use crate::{
    given::{is_full, open},
    process::Process,
    script::{End, STEPS},
};

/// Of all the places where it can be killed: each so many, and all with the large counts.
const EACH: usize = 3;
const LEAST: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_killed_anywhere_is_well() {
    let places = tokio::task::spawn_blocking(places).await.unwrap();
    let each = if is_full() { 1 } else { EACH };
    let next = Arc::new(AtomicUsize::new(1));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..std::thread::available_parallelism().map_or(1, usize::from).min(8) {
        let next = Arc::clone(&next);
        workers.spawn(async move {
            let mut killed = 0;
            loop {
                let place = next.fetch_add(each, Ordering::Relaxed);
                if place > places {
                    return killed;
                }
                killed += usize::from(kill(place as u64).await);
            }
        });
    }
    let killed: usize = workers.join_all().await.into_iter().sum();
    println!("killed {killed} times in {places} places");
    assert!(killed >= LEAST, "only {killed} were killed");
}

/// How many calls there are before which it can be killed.
fn places() -> usize {
    let process = Process::new();
    drop(open(&process.home()));
    assert!(process.run(&process.plan().recording()).success());
    assert_eq!(process.told().done, STEPS);
    let records = read_records(&process.log()).unwrap();
    records.iter().filter(|record| record.operation != Operation::Mark).count()
}

/// False: it went through the whole script, which takes a call more or less each time.
async fn kill(place: u64) -> bool {
    let process = Process::new();
    drop(open(&process.home()));
    let rule = Rule::new(Action::Kill, &Operation::ALL, "").first(place);
    let plan = process.plan().rule(rule);
    let (process, status) = tokio::task::spawn_blocking(move || {
        let status = process.run(&plan);
        (process, status)
    })
    .await
    .unwrap();
    let told = process.told();
    let is_killed = status.signal() == Some(9);
    assert!(is_killed || told.done == STEPS, "{status} after {} steps", told.done);
    println!("killed before call {place}, after {} steps", told.done);
    let store = open(&process.home());
    let script = told.script.unwrap();
    script.holds(&store, told.done, End::Killed).await;
    script.goes_on(&store, &process.home()).await;
    is_killed
}

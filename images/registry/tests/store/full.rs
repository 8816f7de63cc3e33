//! A disk without room, met by any write of the script, until something was freed.

use kiln_faults::{Action, Operation, Rule, read_records};

use crate::{
    given::{is_full, open, walk},
    process::Process,
    script::{End, STEPS},
};

const EACH: usize = 6;

/// What asks a file system for room.
const TAKING: [Operation; 3] = [Operation::Write, Operation::Rename, Operation::Allocate];

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_full_is_told_and_forgotten() {
    let places = {
        let process = Process::new();
        drop(open(&process.home()));
        let process = tokio::task::spawn_blocking(move || {
            assert!(process.run(&process.plan().recording()).success());
            process
        });
        let records = read_records(&process.await.unwrap().log()).unwrap();
        records.iter().filter(|record| TAKING.contains(&record.operation)).count()
    };
    let mut refused = 0;
    for place in (1..=places as u64).step_by(if is_full() { 1 } else { EACH }) {
        refused += fill(place).await;
    }
    println!("refused {refused} times, of {places} writes");
    assert!(refused >= 10, "only {refused} steps met it");
}

/// How many steps were refused for it, and then done.
async fn fill(place: u64) -> usize {
    let process = Process::new();
    drop(open(&process.home()));
    let rule = Rule::new(Action::NoSpace, &TAKING, "").first(place).until(process.room());
    let plan = process.plan().rule(rule);
    let process = tokio::task::spawn_blocking(move || {
        assert!(process.run(&plan).success());
        process
    });
    let process = process.await.unwrap();
    let told = process.told();
    println!("no room from write {place} on: {} steps were refused", told.refused);
    assert_eq!(told.done, STEPS);
    let store = open(&process.home());
    // The process could not go on before each step was done: an upload that it had to give up is
    // gone, and nothing of it left.
    let script = told.script.unwrap();
    script.holds(&store, STEPS, End::Killed).await;
    script.goes_on(&store, &process.home()).await;
    for left in ["uploads", "partial", "batches"] {
        assert_eq!(walk(&process.home().join(left)), 0, "{left}, from write {place} on");
    }
    told.refused
}

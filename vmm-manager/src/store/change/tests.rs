//! The rules, under any sequence of changes.

use std::time::{Duration, UNIX_EPOCH};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::store::samples;

fn changes() -> impl Strategy<Value = Change> {
    let end = || {
        samples::outcomes().prop_map(|outcome| Change::End { outcome, log: LogSummary::default() })
    };
    prop_oneof![
        4 => Just(Change::BeginAttempt),
        2 => samples::phases().prop_map(Change::BeginPhase),
        2 => prop::sample::select(&Step::ALL[..]).prop_map(Change::BeginStep),
        1 => samples::machines().prop_map(|machine| Change::Machine(Box::new(machine))),
        1 => samples::usages().prop_map(Change::Usage),
        1 => any::<u64>().prop_map(Change::MemoryPeak),
        1 => samples::egress().prop_map(|egress| Change::Egress(Arc::new(egress))),
        2 => samples::outputs().prop_map(Change::Outputs),
        1 => Just(Change::OutputsExpired),
        2 => Just(Change::Started),
        2 => samples::outcomes().prop_map(|outcome| Change::Exit(CommandEnd { outcome })),
        1 => end(),
        1 => Just(Change::Released),
        2 => any::<[u8; 32]>().prop_map(|secret| Change::Requeue(GuestSecret::of(secret))),
        2 => (3..6_u32).prop_map(Change::Number),
        1 => Just(Change::Cancel(CancelReason::Asked)),
    ]
}

/// What must hold of every job at every moment.
fn holds(record: &Record) {
    let Record { job, recovery, .. } = record;
    let open = job.phases.iter().rev().skip(1).filter(|phase| phase.duration.is_none()).count();
    assert_eq!(open, 0, "a step is open behind another");
    assert!(job.attempt >= 1);
    assert!(recovery.exit.is_none() || recovery.started, "a command ended that never started");
    match &job.state {
        State::Queued => {
            assert!(!recovery.started && recovery.number.is_none() && !recovery.released);
            assert!(job.machine.is_none() && job.outputs.is_empty() && job.egress.is_none());
        }
        State::Running { .. } => assert!(!recovery.released),
        State::Ended { outcome, .. } => {
            assert!(job.phases.iter().all(|phase| phase.duration.is_some()));
            assert!(*outcome != Outcome::Completed || recovery.started);
        }
    }
}

/// One step, with what it must not do.
fn step(record: &mut Record, change: &Change, now: SystemTime) {
    let before = record.clone();
    let applied = record.apply(change.clone(), now);
    holds(record);
    if applied.is_err() {
        assert_eq!(*record, before, "a refused {change:?} has changed something");
        return;
    }
    let (State::Ended { outcome: was, ended_at: at, .. }, State::Ended { outcome, ended_at, .. }) =
        (&before.job.state, &record.job.state)
    else {
        assert!(!before.job.has_ended(), "{change:?} has left the end");
        if before.recovery.started {
            assert!(record.recovery.started, "{change:?} has forgotten the start");
            assert!(!matches!(record.job.state, State::Queued));
        }
        if record.recovery.started && !before.recovery.started {
            assert!(matches!(before.job.state, State::Running { .. }));
        }
        if record.job.attempt != before.job.attempt {
            assert!(matches!(change, Change::Requeue(_)));
            assert_eq!(record.job.attempt, before.job.attempt + 1);
        }
        return;
    };
    assert_eq!((was, at), (outcome, ended_at), "the first outcome stands");
    assert!(record.recovery.released || !before.recovery.released);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_rules_hold_under_any_sequence(changes in vec(changes(), 1..60)) {
        let mut record = samples::record();
        for (index, change) in changes.into_iter().enumerate() {
            step(&mut record, &change, UNIX_EPOCH + Duration::from_secs(index as u64));
        }
    }
}

fn check(changes: &[Change], standing: Option<&'static str>) {
    let mut record = samples::record();
    let (last, first) = changes.split_last().unwrap();
    for change in first {
        record.apply(change.clone(), UNIX_EPOCH).unwrap();
    }
    let refused = record.apply(last.clone(), UNIX_EPOCH).err().map(|illegal| illegal.standing);
    assert_eq!(refused, standing, "{changes:?}");
}

#[test]
fn what_is_refused_says_where_the_job_stands() {
    let begin = Change::BeginAttempt;
    let end = |outcome| Change::End { outcome, log: LogSummary::default() };
    let again = Change::Requeue(GuestSecret::of([1; 32]));
    let exit = Change::Exit(CommandEnd { outcome: Outcome::Completed });
    check(&[Change::Started], Some("queued"));
    check(std::slice::from_ref(&again), Some("queued"));
    check(&[Change::Number(3)], Some("queued"));
    check(&[begin.clone(), begin.clone()], Some("running and not started"));
    check(&[begin.clone(), exit.clone()], Some("running and not started"));
    check(&[begin.clone(), end(Outcome::Completed)], Some("running and not started"));
    check(&[begin.clone(), Change::Outputs(Vec::new())], Some("running and not started"));
    check(&[begin.clone(), Change::Number(3), Change::Number(4)], Some("running and not started"));
    check(&[begin.clone(), Change::Started, again.clone()], Some("running and started"));
    check(&[begin.clone(), Change::Started, Change::Started], Some("running and started"));
    check(&[begin.clone(), Change::Released], Some("running and not started"));
    check(&[end(Outcome::Cancelled), begin.clone()], Some("ended"));
    check(&[end(Outcome::Cancelled), Change::Released, Change::MemoryPeak(1)], Some("released"));
    check(&[end(Outcome::Cancelled), end(Outcome::Timeout)], None);
    check(&[begin.clone(), again, begin.clone(), Change::Started, exit], None);
}

#[test]
fn what_an_attempt_had_goes_with_it() {
    let mut record = samples::record();
    let mut apply = |change| record.apply(change, UNIX_EPOCH).unwrap();
    apply(Change::BeginAttempt);
    apply(Change::Number(9));
    apply(Change::Requeue(GuestSecret::of([1; 32])));
    assert_eq!(record.recovery.number, None);
    assert_eq!(record.recovery.guest_secret.reveal(), [1; 32]);
    assert_eq!(record.job.attempt, 2);
}

#[test]
fn a_secret_is_never_shown() {
    let mut record = samples::record();
    record.recovery.guest_secret = GuestSecret::of([0xab; 32]);
    let shown = format!("{record:?}{:#?}", record.recovery);
    assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"), "{shown}");
}

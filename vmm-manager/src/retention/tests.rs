//! The policy against its properties, and the task against an archive that dies at any step.

mod fake;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use proptest::prelude::*;

use self::fake::FakeArchive;
use super::{EndedJob, Retention, RetentionLimits, Verdict, judge};
use crate::job::JobId;

const NOW: SystemTime = UNIX_EPOCH;

fn at(seconds_ago: u64) -> SystemTime {
    NOW + Duration::from_secs(10_000) - Duration::from_secs(seconds_ago)
}

fn job(seconds_ago: u64, output_bytes: Option<u64>, in_use: bool) -> EndedJob {
    EndedJob { id: JobId::generate(), ended_at: at(seconds_ago), output_bytes, in_use }
}

fn limits(jobs: usize, job_age: u64, output_age: u64, output_bytes: u64) -> RetentionLimits {
    let (job_age, output_age) = (Duration::from_secs(job_age), Duration::from_secs(output_age));
    RetentionLimits { jobs, job_age, output_age, output_bytes }
}

prop_compose! {
    fn ended()(ago in 0..100_u64, bytes in prop::option::of(0..100_u64), in_use in prop::bool::weighted(0.2)) -> EndedJob {
        job(ago, bytes, in_use)
    }
}

prop_compose! {
    fn any_limits()(jobs in 0..30_usize, job_age in 0..120_u64, output_age in 0..120_u64, bytes in 0..1500_u64) -> RetentionLimits {
        limits(jobs, job_age, output_age, bytes)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn limits_hold_for_all_that_is_not_in_use_and_nothing_goes_without_need(
        jobs in prop::collection::vec(ended(), 0..40),
        limits in any_limits(),
    ) {
        let now = at(0);
        let Verdict { forget, expire } = judge(jobs.clone(), &limits, now);
        let age = |job: &EndedJob| now.duration_since(job.ended_at).unwrap();
        let is_forgotten = |job: &&EndedJob| forget.contains(&job.id);
        let is_expired = |job: &&EndedJob| expire.contains(&job.id);
        prop_assert!(forget.iter().all(|id| !expire.contains(id)));
        prop_assert_eq!(forget.iter().collect::<BTreeSet<_>>().len(), forget.len());
        for job in jobs.iter().filter(|job| job.in_use) {
            prop_assert!(!is_forgotten(&job) && !is_expired(&job));
        }
        let kept: Vec<_> = jobs.iter().filter(|job| !is_forgotten(job)).collect();
        let promised: Vec<_> =
            kept.iter().copied().filter(|job| job.output_bytes.is_some() && !is_expired(job)).collect();
        let bytes: u64 = promised.iter().filter_map(|job| job.output_bytes).sum();
        let in_use: Vec<_> = jobs.iter().filter(|job| job.in_use).collect();
        let bytes_in_use: u64 = in_use.iter().filter_map(|job| job.output_bytes).sum();
        // Never above the limits, but for what is in use.
        prop_assert!(kept.len() <= limits.jobs.max(in_use.len()));
        prop_assert!(bytes <= limits.output_bytes.max(bytes_in_use));
        prop_assert!(kept.iter().all(|job| job.in_use || age(job) <= limits.job_age));
        prop_assert!(promised.iter().all(|job| job.in_use || age(job) <= limits.output_age));
        // The newest stay: nothing older than what went for want of room is kept.
        for gone in jobs.iter().filter(is_forgotten) {
            prop_assert!(age(gone) > limits.job_age || kept.len() >= limits.jobs);
            prop_assert!(kept.iter().all(|job| job.in_use || job.ended_at >= gone.ended_at));
        }
        for gone in kept.iter().copied().filter(is_expired) {
            prop_assert!(gone.output_bytes.is_some());
            let newer: u64 = promised
                .iter()
                .filter(|job| job.in_use || job.ended_at >= gone.ended_at)
                .filter_map(|job| job.output_bytes)
                .sum();
            let older_went = kept.iter().any(|job| is_expired(job) && job.ended_at >= gone.ended_at && job.id != gone.id);
            let needed = age(gone) > limits.output_age
                || newer + gone.output_bytes.unwrap_or(0) > limits.output_bytes
                || older_went;
            prop_assert!(needed);
            // One of no bytes makes no room by going.
            let stays = |job: &&EndedJob| job.in_use || job.output_bytes == Some(0);
            prop_assert!(promised.iter().all(|job| stays(job) || job.ended_at >= gone.ended_at));
        }
        // What was applied once needs nothing more.
        let rest = kept.iter().map(|job| {
            let output_bytes = job.output_bytes.filter(|_| !is_expired(job));
            EndedJob { output_bytes, ..(*job).clone() }
        });
        prop_assert_eq!(judge(rest.collect(), &limits, now), Verdict::default());
    }
}

#[test]
fn a_clock_that_was_set_back_removes_nothing_for_its_age() {
    let jobs = vec![job(0, Some(1), false)];
    let verdict = judge(jobs, &limits(1, 0, 0, 1), UNIX_EPOCH);
    assert_eq!(verdict, Verdict::default());
}

/// Ten jobs of ten bytes, one a second; the third newest is read.
fn archive() -> FakeArchive {
    FakeArchive::new((0..10).map(|ago| job(ago, Some(10), ago == 2)).collect())
}

#[tokio::test]
async fn the_newest_are_kept_with_their_outputs() {
    let archive = Arc::new(archive());
    let retention = Retention::new(Arc::clone(&archive) as _, limits(5, 100, 100, 30));
    retention.apply(at(0)).await;
    archive.check_consistent();
    assert_eq!(archive.promised_ages(at(0)), [0, 1, 2]);
    assert_eq!(archive.recorded_ages(at(0)), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn killed_at_any_step_nothing_is_promised_that_is_gone_and_the_sweep_finds_the_rest() {
    let mut steps = 0;
    loop {
        let archive = Arc::new(archive());
        let retention = Retention::new(Arc::clone(&archive) as _, limits(5, 100, 100, 30));
        archive.dies_after(steps);
        retention.apply(at(0)).await;
        archive.check_no_broken_promise();
        let died = archive.is_dead();
        archive.revives();
        retention.sweep().await;
        archive.check_consistent();
        retention.apply(at(0)).await;
        archive.check_consistent();
        assert_eq!(archive.promised_ages(at(0)), [0, 1, 2], "after a death at step {steps}");
        assert_eq!(archive.recorded_ages(at(0)), [0, 1, 2, 3, 4]);
        if !died {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 14, "seven jobs change in two steps each, and only {steps} were met");
}

#[tokio::test]
async fn one_that_cannot_be_removed_stops_no_other_and_is_tried_again() {
    for step in 0..14 {
        let archive = Arc::new(archive());
        let retention = Retention::new(Arc::clone(&archive) as _, limits(5, 100, 100, 30));
        archive.fails_once_at(step);
        retention.apply(at(0)).await;
        archive.check_no_broken_promise();
        assert!(archive.promised_ages(at(0)).len() <= 4);
        retention.apply(at(0)).await;
        archive.check_consistent();
        assert_eq!(archive.promised_ages(at(0)), [0, 1, 2]);
    }
}

#[tokio::test]
async fn files_stay_under_a_reader_who_came_before_the_record_went() {
    let archive = Arc::new(archive());
    let retention = Retention::new(Arc::clone(&archive) as _, limits(5, 100, 100, 30));
    archive.is_read_at_its_oldest(true);
    retention.apply(at(0)).await;
    assert_eq!((archive.recorded_ages(at(0)).len(), archive.directories_left()), (5, 6));
    archive.is_read_at_its_oldest(false);
    retention.apply(at(0)).await;
    archive.check_consistent();
}

#[tokio::test]
async fn outputs_that_were_lost_from_outside_are_not_promised_any_longer() {
    let archive = Arc::new(archive());
    archive.loses_outputs_of_newest();
    let retention = Retention::new(Arc::clone(&archive) as _, limits(100, 100, 100, 1000));
    retention.sweep().await;
    archive.check_consistent();
    assert_eq!(archive.promised_ages(at(0)), (1..10).collect::<Vec<_>>());
}

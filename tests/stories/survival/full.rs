//! The host's disk is full, or broken, at every kind of write: an honest error or a success that
//! comes later, nothing half, and all is well when there is room again.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_faults::{Action, Operation, Plan, Rule, read_records};
use kiln_proto::v1::{FailureClass, Job, JobState};
use kiln_tests::{Client, Host, Stage, Story, Work, stories, until};
use tokio::time::timeout;

use super::released::all_is_released;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        no_write_that_fails_is_passed_over.limit(Duration::from_secs(3600)),
        a_full_disk_stops_everything_and_loses_nothing.limit(Duration::from_secs(900)),
    ]
}

/// How long a fault stays that lasts.
const LASTING: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_secs(60);

/// Where, and what is done there.
const PLACES: &[(&str, &[Operation])] = &[
    ("/store/", &[Operation::Write]),
    ("/store/", &[Operation::Sync]),
    ("/jobs/", &[Operation::MakeDirectory]),
    ("/jobs/", &[Operation::Create]),
    ("/jobs/", &[Operation::Write]),
    ("/jobs/", &[Operation::Sync]),
    ("/outputs/", &[Operation::Create]),
    ("/outputs/", &[Operation::Write]),
    ("/outputs/", &[Operation::Sync]),
    ("/outputs/", &[Operation::Rename]),
    ("/vms/", &[Operation::MakeDirectory]),
    ("/vms/", &[Operation::Create]),
    ("/vms/", &[Operation::Truncate, Operation::Allocate]),
    ("/sources/", &[Operation::MakeDirectory, Operation::Create]),
    ("/sources/", &[Operation::Write]),
    ("/sources/", &[Operation::Sync]),
    ("/sources/", &[Operation::Rename]),
];

#[derive(Clone, Debug)]
struct Case {
    name: String,
    rule: Rule,
    armed: PathBuf,
    freed: PathBuf,
    lasts: bool,
}

fn cases(flags: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for (path, operations) in PLACES {
        let mut actions = vec![Action::NoSpace, Action::InputOutputError];
        if operations.contains(&Operation::Write) {
            actions.push(Action::Short);
        }
        for action in actions {
            for lasts in [false, true] {
                // A write that is always short comes to its end all the same.
                if lasts && action == Action::Short {
                    continue;
                }
                let number = cases.len();
                let flag = |what: &str| flags.join(format!("{number}-{what}"));
                let (armed, freed) = (flag("armed"), flag("freed"));
                let rule = Rule::new(action, operations, path).after(&armed);
                let rule = if lasts { rule.until(&freed) } else { rule };
                let how = if lasts { "for a while" } else { "once" };
                let name = format!("{} of {operations:?} in {path}, {how}", action.name());
                cases.push(Case { name, rule, armed, freed, lasts });
            }
        }
    }
    cases
}

async fn no_write_that_fails_is_passed_over(stage: &Stage) -> anyhow::Result<()> {
    let flags = stage.directory().join("flags");
    fs::create_dir(&flags)?;
    let cases = cases(&flags);
    let log = stage.directory().join("faults");
    let setup = stage.stub_host();
    let plan = Plan::new(setup.home(), "kilnd-stub", &log);
    let plan = cases.iter().fold(plan, |plan, case| plan.rule(case.rule.clone()));
    let host = setup.plan(&plan)?.start().await?;
    let (mut met, mut missed) = (0, Vec::new());
    for (number, case) in cases.iter().enumerate() {
        let before = read_records(&log)?.len();
        Box::pin(one(stage, &host, number, case)).await.with_context(|| case.name.clone())?;
        if read_records(&log)?.len() > before {
            met += 1;
        } else {
            missed.push(&case.name);
        }
    }
    // A daemon that never writes there has nothing to show; most places are written to by each job.
    ensure!(met >= 60, "only {met} of {} faults were met; not {missed:?}", cases.len());
    host.stop().await
}

/// A job is run into the fault, and another one when it is over.
async fn one(stage: &Stage, host: &Host, number: usize, case: &Case) -> anyhow::Result<()> {
    let client = host.client().patience(PATIENCE);
    fs::write(&case.armed, "")?;
    let work = Work::new(stage.directory(), &format!("full-{number}"));
    let work = work.with_input().with_output();
    let attempt = attempt(&work, &client);
    tokio::pin!(attempt);
    let early = timeout(LASTING, &mut attempt).await;
    fs::write(&case.freed, "")?;
    let told = match early {
        Ok(told) => told?,
        Err(_) => timeout(PATIENCE, attempt).await.context("no answer after all was well")??,
    };
    match told {
        Told::Refused(status) => {
            ensure!(!status.message().is_empty(), "refused without a word");
        }
        Told::Ended(job) if job.state() == JobState::Completed => {
            work.is_true(&client, &job, false).await?;
        }
        Told::Ended(job) => failed_honestly(&job, case)?,
    }
    ensure!(work.times_done()? <= 1, "its command was done twice");
    let next = Work::new(stage.directory(), &format!("well-{number}")).with_input().with_output();
    match self::attempt(&next, &client).await? {
        Told::Refused(status) => anyhow::bail!("refused when all was well again: {status}"),
        Told::Ended(job) => {
            next.is_true(&client, &job, false).await.context("when all was well")?;
        }
    }
    nothing_half(host)?;
    all_is_released(host).await
}

enum Told {
    Refused(tonic::Status),
    Ended(Box<Job>),
}

async fn attempt(work: &Work, client: &Client) -> anyhow::Result<Told> {
    let spec = match work.spec(client).await? {
        Ok(spec) => spec,
        Err(status) => return Ok(Told::Refused(status)),
    };
    match client.submit(&spec, &work.key).await? {
        Ok(job) => Ok(Told::Ended(Box::new(client.ended(&job.id).await?))),
        Err(status) => Ok(Told::Refused(status)),
    }
}

fn failed_honestly(job: &Job, case: &Case) -> anyhow::Result<()> {
    ensure!(job.state() == JobState::Failed, "{job:?}");
    let failure = job.failure.as_ref().context("failed without a failure")?;
    let class = failure.class();
    let of_the_host = matches!(class, FailureClass::Infrastructure | FailureClass::DiskFull);
    ensure!(of_the_host && !failure.message.is_empty(), "{failure:?}");
    ensure!(!case.lasts || !failure.details.is_empty(), "no details: {failure:?}");
    Ok(())
}

/// What is being made has a name of its own until it is whole; none may stay.
fn nothing_half(host: &Host) -> anyhow::Result<()> {
    let mut below = vec![host.home().join("sources"), host.home().join("jobs")];
    while let Some(directory) = below.pop() {
        for entry in fs::read_dir(&directory)?.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_half = name.to_string_lossy().contains("partial");
            ensure!(!is_half, "{} was left", path.display());
            if entry.file_type()?.is_dir() {
                below.push(path);
            }
        }
    }
    Ok(())
}

/// Everything in the home fails while jobs wait, run and end; then there is room.
async fn a_full_disk_stops_everything_and_loses_nothing(stage: &Stage) -> anyhow::Result<()> {
    let flag = |name: &str| stage.directory().join(name);
    let setup = stage.stub_host();
    let brings_bytes = [
        Operation::Write,
        Operation::Sync,
        Operation::Truncate,
        Operation::Allocate,
        Operation::Create,
        Operation::MakeDirectory,
    ];
    let rule = Rule::new(Action::NoSpace, &brings_bytes, "");
    let rule = rule.after(flag("armed")).until(flag("freed"));
    let plan = Plan::new(setup.home(), "kilnd-stub", flag("faults")).rule(rule);
    let host = setup.plan(&plan)?.flag("--max-vms", 3).start().await?;
    let client = host.client().patience(PATIENCE);
    let mut jobs = Vec::new();
    for number in 0..8 {
        let work = Work::new(stage.directory(), &format!("stopped-{number}"));
        let work = work.meanwhile("sleep 0.5");
        let job = client.submit(&work.spec(&client).await??, &work.key).await??;
        jobs.push((work, job.id));
    }
    until("some of them work", PATIENCE, async || {
        let mut begun = 0;
        for (_, id) in &jobs {
            begun += usize::from(!client.written(id).await?.stderr.is_empty());
        }
        Ok((begun >= 2).then_some(()))
    })
    .await?;
    fs::write(flag("armed"), "")?;
    let late = Work::new(stage.directory(), "late");
    let spec = late.spec(&client).await??;
    let refused = client.clone().patience(Duration::from_secs(3)).submit(&spec, &late.key).await;
    if let Ok(Ok(job)) = refused {
        anyhow::bail!("{} was acknowledged on a full disk", job.id);
    }
    until("what works cannot be written down", PATIENCE, async || {
        Ok((read_records(&flag("faults"))?.len() >= 5).then_some(()))
    })
    .await?;
    // Nothing moves now; whoever asks is answered.
    for (_, id) in &jobs {
        client.job(id).await?;
    }
    fs::write(flag("freed"), "")?;
    for (work, id) in &jobs {
        let job = client.ended(id).await?;
        match job.state() {
            JobState::Completed => work.is_true(&client, &job, false).await?,
            _ => ensure!(job.failure.is_some(), "{job:?}"),
        }
        ensure!(work.times_done()? <= 1, "{} was done twice", work.key);
    }
    let job = client.submit(&spec, &late.key).await??;
    late.is_true(&client, &client.ended(&job.id).await?, false).await?;
    all_is_released(&host).await?;
    host.stop().await
}

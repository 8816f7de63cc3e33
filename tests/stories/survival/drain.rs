//! How kilnd goes when it is asked to.

use std::time::Duration;

use kiln_proto::v1::JobState;
use kiln_tests::{Stage, Story, Work, stories, until};
use rustix::process::Signal;
use tonic::Code;

use super::released::all_is_released;

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn stories() -> Vec<Story> {
    stories![
        it_waits_for_what_runs_and_takes_nothing_new,
        its_patience_has_a_limit,
        a_second_term_leaves_at_once,
        an_interrupt_ends_what_runs,
        what_waits_survives_in_its_order,
    ]
}

async fn it_waits_for_what_runs_and_takes_nothing_new(stage: &Stage) -> anyhow::Result<()> {
    let mut host = stage.stub_host().start().await?;
    let client = host.client();
    let work = Work::new(stage.directory(), "short").meanwhile("sleep 3");
    let job = client.submit(&work.spec(&client).await??, &work.key).await??;
    until("it runs", LIMIT, async || {
        Ok((client.job(&job.id).await?.state() == JobState::Running).then_some(()))
    })
    .await?;
    host.signal(Signal::TERM)?;
    until("it drains", LIMIT, async || Ok(client.host().await?.draining.then_some(()))).await?;
    let late = host.create(kiln_proto::v1::CreateJobRequest {
        spec: Some(work.spec(&client).await??),
        ..Default::default()
    });
    let refused = late.await?.expect_err("a draining kilnd took a job");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    let status = host.ended(LIMIT).await?;
    assert!(status.success(), "{status}");
    assert_eq!(work.times_done()?, 1, "it did not wait for the job");
    let host = stage.stub_host().start().await?;
    work.is_true(&client, &client.ended(&job.id).await?, false).await?;
    all_is_released(&host).await?;
    host.stop().await
}

/// What takes longer runs on, and is the next daemon's.
async fn its_patience_has_a_limit(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.stub_host().flag("--drain-limit", 1).start().await?;
    leaves_a_job_to_the_next(stage, host, &[Signal::TERM]).await
}

async fn a_second_term_leaves_at_once(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.stub_host().flag("--drain-limit", 3600).start().await?;
    leaves_a_job_to_the_next(stage, host, &[Signal::TERM, Signal::TERM]).await
}

async fn leaves_a_job_to_the_next(
    stage: &Stage,
    mut host: kiln_tests::Host,
    signals: &[Signal],
) -> anyhow::Result<()> {
    let client = host.client();
    let flag = stage.directory().join("go-on");
    let wait = format!("while ! [ -e {} ]; do sleep 0.05; done", flag.display());
    let work = Work::new(stage.directory(), "long").meanwhile(&wait);
    let job = client.submit(&work.spec(&client).await??, &work.key).await??;
    until("half of it is written", LIMIT, async || {
        Ok((!client.written(&job.id).await?.stderr.is_empty()).then_some(()))
    })
    .await?;
    for (number, signal) in signals.iter().enumerate() {
        if number > 0 {
            until("it drains", LIMIT, async || Ok(client.host().await?.draining.then_some(())))
                .await?;
        }
        host.signal(*signal)?;
    }
    let status = host.ended(LIMIT).await?;
    assert!(status.success(), "{status}");
    assert!(!host.vm_processes()?.is_empty(), "the VM did not outlive its kilnd");
    // Nobody listens, and the command goes on.
    std::fs::write(&flag, "")?;
    until("the command is done", LIMIT, async || Ok((work.times_done()? == 1).then_some(())))
        .await?;
    let host = stage.stub_host().start().await?;
    work.is_true(&client, &client.ended(&job.id).await?, false).await?;
    all_is_released(&host).await?;
    host.stop().await
}

async fn an_interrupt_ends_what_runs(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.stub_host().start().await?;
    let job = host.sleeping_job().await?;
    // Checks that nothing is left.
    host.stop().await?;
    let host = stage.stub_host().start().await?;
    let job = host.job(&job.id).await?;
    assert!(kiln_tests::has_ended(&job), "{job:?}");
    host.stop().await
}

/// One at a time: what waits runs in the order in which it was asked for, under whichever daemon.
async fn what_waits_survives_in_its_order(stage: &Stage) -> anyhow::Result<()> {
    let start = || stage.stub_host().flag("--max-vms", 1).start();
    let mut host = start().await?;
    let client = host.client();
    let mut jobs = Vec::new();
    for number in 0..12 {
        let work = Work::new(stage.directory(), &format!("queued-{number:02}"));
        let work = work.meanwhile("sleep 0.1");
        let job = client.submit(&work.spec(&client).await??, &work.key).await??;
        jobs.push((work, job.id));
    }
    // A job whose work could not begin three times is given up.
    for _ in 0..2 {
        host.kill().await?;
        host = start().await?;
    }
    for (work, id) in &jobs {
        work.is_true(&client, &client.ended(id).await?, false).await?;
    }
    let done = std::fs::read_to_string(stage.directory().join("done"))?;
    let in_order: Vec<_> = jobs.iter().map(|(work, _)| work.key.as_str()).collect();
    assert_eq!(done.lines().collect::<Vec<_>>(), in_order);
    all_is_released(&host).await?;
    host.stop().await
}

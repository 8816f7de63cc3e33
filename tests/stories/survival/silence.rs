//! Guests that do nothing, in each phase: a bounded time and a typed result.

use std::time::Duration;

use kiln_proto::v1::{FailureClass, Job, JobState};
use kiln_tests::{Host, Stage, Story, Work, stories, stub::Switch, until};

use super::released::all_is_released;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_guest_that_dies_at_boot,
        a_guest_that_never_listens,
        a_guest_that_falls_silent_at_work,
        a_guest_that_ignores_its_end,
    ]
}

async fn start(stage: &Stage) -> anyhow::Result<Host> {
    let setup = stage.stub_host();
    setup
        .flag("--limit", "boot=3")
        .flag("--limit", "hello=3")
        .flag("--limit", "exec=3")
        .start()
        .await
}

async fn a_guest_that_dies_at_boot(stage: &Stage) -> anyhow::Result<()> {
    Box::pin(never_comes_up(stage, Switch::DieAtBoot)).await
}

async fn a_guest_that_never_listens(stage: &Stage) -> anyhow::Result<()> {
    Box::pin(never_comes_up(stage, Switch::NeverListen)).await
}

async fn never_comes_up(stage: &Stage, switch: Switch) -> anyhow::Result<()> {
    let host = start(stage).await?;
    switch.turn_on(&stage.switches())?;
    let client = host.client();
    let work = Work::new(stage.directory(), "never");
    let job = client.submit(&work.spec(&client).await??, &work.key).await??;
    failed_for_us(&client.ended(&job.id).await?);
    assert_eq!(work.times_done()?, 0);
    all_is_released(&host).await?;
    switch.turn_off(&stage.switches())?;
    goes_on(stage, host).await
}

async fn a_guest_that_falls_silent_at_work(stage: &Stage) -> anyhow::Result<()> {
    let host = start(stage).await?;
    let job = host.sleeping_job().await?;
    Switch::Silence.turn_on(&stage.switches())?;
    // Nothing is known of a command that says nothing: whoever waits no longer cancels.
    let client = host.client();
    client.cancel(&job.id).await?;
    let job = client.ended(&job.id).await?;
    assert_eq!(job.state(), JobState::Cancelled, "{job:?}");
    all_is_released(&host).await?;
    Switch::Silence.turn_off(&stage.switches())?;
    goes_on(stage, host).await
}

async fn a_guest_that_ignores_its_end(stage: &Stage) -> anyhow::Result<()> {
    let host = start(stage).await?;
    Switch::IgnorePowerOff.turn_on(&stage.switches())?;
    let client = host.client();
    let work = Work::new(stage.directory(), "stubborn");
    let job = client.submit(&work.spec(&client).await??, &work.key).await??;
    work.is_true(&client, &client.ended(&job.id).await?, false).await?;
    until("its VM is gone", Duration::from_secs(60), async || {
        Ok(host.vm_processes()?.is_empty().then_some(()))
    })
    .await?;
    Switch::IgnorePowerOff.turn_off(&stage.switches())?;
    goes_on(stage, host).await
}

fn failed_for_us(job: &Job) {
    assert_eq!(job.state(), JobState::Failed, "{job:?}");
    let failure = job.failure.as_ref().expect("a failure");
    assert_eq!(failure.class(), FailureClass::Infrastructure, "{failure:?}");
}

async fn goes_on(stage: &Stage, host: Host) -> anyhow::Result<()> {
    let (client, work) = (host.client(), Work::new(stage.directory(), "after"));
    let job = client.submit(&work.spec(&client).await??, &work.key).await??;
    work.is_true(&client, &client.ended(&job.id).await?, false).await?;
    all_is_released(&host).await?;
    host.stop().await
}

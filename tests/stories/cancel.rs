//! Jobs that somebody no longer wants.

use kiln_proto::v1::JobState;
use kiln_tests::{Stage, Story, stories, until};
use rustix::process::Signal;
use std::time::Duration;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        ctrl_c_cancels_and_the_vm_is_gone.nested(),
        ctrl_c_while_the_guest_boots.nested(),
        a_command_may_clean_up_and_one_that_will_not_go_is_killed,
        a_client_that_is_killed_leaves_the_job_running,
    ]
}

async fn ctrl_c_cancels_and_the_vm_is_gone(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let mut job = host.kiln(["run", "--", "sh", "-c", "echo up; sleep 86400"]).start()?;
    job.said("up\n").await?;
    assert!(!host.vm_processes()?.is_empty(), "a job without a VM");
    job.signal(Signal::INT)?;
    let ended = job.finish().await?;
    assert_eq!(ended.code, Some(130), "{ended}");
    assert_eq!(host.newest_job().await?.state(), JobState::Cancelled);
    host.vms_are_gone().await?;
    host.stop().await
}

async fn ctrl_c_while_the_guest_boots(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let job = host.kiln(["run", "--", "sleep", "86400"]).start()?;
    until("there is a VM", Duration::from_secs(60), async || {
        Ok((!host.vm_processes()?.is_empty()).then_some(()))
    })
    .await?;
    job.signal(Signal::INT)?;
    let ended = job.finish().await?;
    assert_eq!(ended.code, Some(130), "{ended}");
    assert_eq!(host.newest_job().await?.state(), JobState::Cancelled);
    host.vms_are_gone().await?;
    host.stop().await
}

async fn a_command_may_clean_up_and_one_that_will_not_go_is_killed(
    stage: &Stage,
) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    for (script, last_word) in [
        ("trap 'echo cleaned up; exit 0' TERM; echo up; while :; do sleep 1; done", "cleaned up\n"),
        ("trap '' TERM; echo up; while :; do sleep 1; done", ""),
    ] {
        let mut job = host.kiln(["run", "--", "sh", "-c", script]).start()?;
        job.said("up\n").await?;
        let id = host.newest_job().await?.id;
        let cancel = host.kiln(["job", "cancel", &id]).run().await?;
        assert_eq!(cancel.code, Some(0), "{cancel}");
        let ended = job.finish().await?;
        assert_eq!(ended.code, Some(130), "{ended}");
        assert_eq!(ended.stdout_text(), last_word, "{ended}");
        let logs = host.kiln(["job", "logs", &id]).run().await?;
        assert_eq!(logs.stdout_text(), format!("up\n{last_word}"), "{logs}");
        assert_eq!(host.job(&id).await?.state(), JobState::Cancelled);
        host.vms_are_gone().await?;
    }
    host.stop().await
}

/// It did not ask for the job's end; the job goes on, and is there for whoever asks.
async fn a_client_that_is_killed_leaves_the_job_running(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let script = "echo up; cat > /dev/null; echo alone; exit 5";
    let mut job = host.kiln(["run", "-i", "--", "sh", "-c", script]).held_stdin().start()?;
    job.said("up\n").await?;
    let id = host.newest_job().await?.id;
    job.signal(Signal::KILL)?;
    job.finish().await?;
    let waited = host.kiln(["job", "wait", &id]).run().await?;
    assert_eq!(waited.code, Some(5), "{waited}");
    let logs = host.kiln(["job", "logs", &id]).run().await?;
    assert_eq!(logs.stdout_text(), "up\nalone\n", "{logs}");
    host.stop().await
}

//! What is lost from outside: the emulator, or the bridge to the guest.

use kiln_proto::v1::{FailureClass, JobState};
use kiln_tests::{Stage, Story, VmProcess, stories};
use rustix::process::Signal;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_vmm_that_is_killed_fails_its_job_alone.nested(),
        a_vmm_that_falls_silent_fails_its_job_alone,
        a_bridge_that_is_killed_fails_its_job_alone,
    ]
}

async fn a_vmm_that_is_killed_fails_its_job_alone(stage: &Stage) -> anyhow::Result<()> {
    fails_alone(stage, emulator(stage), Signal::KILL).await
}

/// It is there and does nothing more, as when its host has no processor left for it.
async fn a_vmm_that_falls_silent_fails_its_job_alone(stage: &Stage) -> anyhow::Result<()> {
    fails_alone(stage, emulator(stage), Signal::STOP).await
}

/// What its program's name begins with.
fn emulator(stage: &Stage) -> &str {
    match &*stage.settings().vmm {
        "qemu" => "qemu-system",
        other => other,
    }
}

async fn a_bridge_that_is_killed_fails_its_job_alone(stage: &Stage) -> anyhow::Result<()> {
    fails_alone(stage, "vhost-device-vsock", Signal::KILL).await
}

async fn fails_alone(stage: &Stage, program: &str, signal: Signal) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let job = host.sleeping_job().await?;
    let processes = host.vm_processes()?;
    let is_program = |process: &&VmProcess| {
        let name = process.command.split_whitespace().next().unwrap_or_default();
        name.rsplit('/').next().is_some_and(|name| name.starts_with(program))
    };
    let victims: Vec<_> = processes.iter().filter(is_program).collect();
    assert!(!victims.is_empty(), "no {program} among {processes:?}");
    for victim in victims {
        victim.signal(signal)?;
    }
    let waited = host.kiln(["job", "wait", &job.id]).run().await?;
    assert_eq!(waited.code, Some(125), "{waited}");
    let job = host.job(&job.id).await?;
    assert_eq!(job.state(), JobState::Failed);
    let failure = job.failure.expect("a failure");
    assert_eq!(failure.class(), FailureClass::Infrastructure, "{failure:?}");
    host.vms_are_gone().await?;
    let next = host.kiln(["run", "--", "echo", "unharmed"]).run().await?;
    assert_eq!(next.stdout_text(), "unharmed\n", "{next}");
    host.stop().await
}

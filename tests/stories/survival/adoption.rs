//! Jobs that run while kilnd does not.

use std::time::Duration;

use kiln_proto::v1::{FailureClass, JobState};
use kiln_tests::{Counting, Stage, Story, stories, until};

use super::released::all_is_released;

const OUTPUT_BYTES: u64 = 24 << 20;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_clients_output_is_whole_across_kills,
        a_guests_output_is_whole_across_kills.limit(Duration::from_secs(900)).nested(),
        stdin_is_whole_across_a_kill,
        a_job_whose_vm_died_alone_failed,
        a_job_that_was_cancelled_while_nobody_listened_is_cancelled,
    ]
}

/// Whoever runs `kiln run` sees nothing of it but a pause.
async fn a_clients_output_is_whole_across_kills(stage: &Stage) -> anyhow::Result<()> {
    let setup = || stage.stub_host();
    output_is_whole(setup().start().await?, async || setup().start().await, 6).await
}

async fn a_guests_output_is_whole_across_kills(stage: &Stage) -> anyhow::Result<()> {
    let setup = || stage.host();
    output_is_whole(setup().start().await?, async || setup().start().await, 2).await
}

async fn output_is_whole(
    mut host: kiln_tests::Host,
    restart: impl AsyncFn() -> anyhow::Result<kiln_tests::Host>,
    kills: u64,
) -> anyhow::Result<()> {
    let script = format!("seq 1 99999999 | head -c {OUTPUT_BYTES}; exit 7");
    let mut job = host.kiln(["run", "--", "sh", "-c", &script]).start()?;
    let mut counting = Counting::default();
    for kill in 1..=kills {
        while counting.seen() < OUTPUT_BYTES * kill / (kills + 1) {
            counting.check(&job.read().await?)?;
        }
        host.kill().await?;
        host = restart().await?;
    }
    while let bytes = job.read().await?
        && !bytes.is_empty()
    {
        counting.check(&bytes)?;
    }
    let ended = job.finish().await?;
    assert_eq!(ended.code, Some(7), "{ended}");
    assert_eq!(counting.seen(), OUTPUT_BYTES);
    let job = host.newest_job().await?;
    assert_eq!(job.log.expect("a log").end_offset, OUTPUT_BYTES);
    assert_eq!(job.attempt, 1, "its command was begun again");
    all_is_released(&host).await?;
    host.stop().await
}

/// What was sent and not taken is sent again, and nothing comes twice.
async fn stdin_is_whole_across_a_kill(stage: &Stage) -> anyhow::Result<()> {
    let mut host = stage.stub_host().start().await?;
    let bytes = kiln_tests::noise(5, 8 << 20);
    let expected = format!("{}  -\n", kiln_tests::digest(&bytes));
    let slow = "echo up; { head -c 3000000; sleep 2; cat; } | sha256sum";
    let kiln = host.kiln(["run", "-i", "--", "sh", "-c", slow]).stdin(bytes);
    let mut job = kiln.start()?;
    job.said("up\n").await?;
    host.kill().await?;
    host = stage.stub_host().start().await?;
    let ended = job.finish().await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(ended.stdout_text(), expected, "{ended}");
    host.stop().await
}

async fn a_job_whose_vm_died_alone_failed(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.stub_host().start().await?;
    let job = host.sleeping_job().await?;
    let processes = host.vm_processes()?;
    assert!(!processes.is_empty(), "a job without a VM");
    host.kill().await?;
    for process in processes {
        // Those whose supervisor died first are gone already.
        let _ = process.signal(rustix::process::Signal::KILL);
    }
    let host = stage.stub_host().start().await?;
    let job = host.client().ended(&job.id).await?;
    assert_eq!(job.state(), JobState::Failed, "{job:?}");
    let failure = job.failure.clone().expect("a failure");
    assert_eq!(failure.class(), FailureClass::Infrastructure, "{failure:?}");
    assert_eq!(failure.details.get("step").map(String::as_str), Some("adopt"), "{failure:?}");
    all_is_released(&host).await?;
    host.stop().await
}

/// The wish is durable: it is asked for, the daemon dies, and the next one fulfils it.
async fn a_job_that_was_cancelled_while_nobody_listened_is_cancelled(
    stage: &Stage,
) -> anyhow::Result<()> {
    let host = stage.stub_host().start().await?;
    let script = "trap '' TERM; while :; do sleep 1; done";
    let accepted = host.kiln(["run", "--detach", "--", "sh", "-c", script]).run().await?;
    let id = accepted.stdout_text().trim().to_owned();
    until("the command runs", Duration::from_secs(60), async || {
        Ok((host.job(&id).await?.phase() == kiln_proto::v1::Phase::Building).then_some(()))
    })
    .await?;
    host.client().cancel(&id).await?;
    host.kill().await?;
    let host = stage.stub_host().start().await?;
    let job = host.client().ended(&id).await?;
    assert_eq!(job.state(), JobState::Cancelled, "{job:?}");
    all_is_released(&host).await?;
    host.stop().await
}

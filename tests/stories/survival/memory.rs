//! A VM that takes more memory than it was given.

use kiln_proto::v1::{FailureClass, JobState};
use kiln_tests::{Stage, Story, Work, details, stories, stub::Switch};

use super::released::all_is_released;

const VICTIMS: usize = 20;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        vms_that_the_kernel_kills_for_memory_are_told_apart
            .limit(std::time::Duration::from_secs(900))
    ]
}

/// The kernel kills at the limit of the VM's cgroup: the job says so, and its host goes on.
async fn vms_that_the_kernel_kills_for_memory_are_told_apart(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.stub_host().start().await?;
    let (client, daemon) = (host.client(), host.process());
    for number in 0..VICTIMS {
        let work = Work::new(stage.directory(), &format!("hog-{number}")).meanwhile("sleep 600");
        let job = client.submit(&work.spec(&client).await??, &work.key).await??;
        kiln_tests::until("it has begun", std::time::Duration::from_secs(60), async || {
            Ok((!client.written(&job.id).await?.stderr.is_empty()).then_some(()))
        })
        .await?;
        Switch::Eat.turn_on(&stage.switches())?;
        let job = client.ended(&job.id).await?;
        Switch::Eat.turn_off(&stage.switches())?;
        assert_eq!(job.state(), JobState::Failed, "{job:?}");
        let failure = job.failure.clone().expect("a failure");
        assert_eq!(failure.class(), FailureClass::Oom, "{failure:?}");
        assert!(details(&job).contains_key("limit_bytes"), "{failure:?}");
        assert_eq!(work.times_done()?, 0);
        all_is_released(&host).await?;
        let peak = client.job(&job.id).await?.usage.expect("usage").vm_memory_peak_bytes;
        assert!(peak > 64 << 20, "a peak of {peak} bytes");
    }
    assert_eq!(host.process(), daemon);
    let next = Work::new(stage.directory(), "next");
    let job = client.submit(&next.spec(&client).await??, &next.key).await??;
    next.is_true(&client, &client.ended(&job.id).await?, false).await?;
    host.stop().await
}

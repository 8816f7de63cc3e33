//! What a job may have, and what is said when it wants more.

use std::time::Duration;

use kiln_proto::v1::{Failure, FailureClass, JobState};
use kiln_tests::{Stage, Story, stories};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_command_that_takes_too_long_times_out.nested(),
        a_memory_hog_is_out_of_memory.nested(),
        a_command_that_kills_itself_is_not_out_of_memory,
        a_filled_disk_is_named.nested(),
    ]
}

async fn a_command_that_takes_too_long_times_out(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let ended = host.kiln(["run", "--timeout", "5s", "--", "sleep", "600"]).run().await?;
    assert_eq!(ended.code, Some(124), "{ended}");
    assert!(ended.took < Duration::from_secs(300), "{ended}");
    let job = host.newest_job().await?;
    assert_eq!(job.state(), JobState::Timeout);
    assert!(job.failure.is_none(), "{:?}", job.failure);
    host.vms_are_gone().await?;
    host.stop().await
}

async fn a_memory_hog_is_out_of_memory(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let ended = host.kiln(["run", "--memory", "256M", "--", "tail", "/dev/zero"]).run().await?;
    assert_eq!(ended.code, Some(137), "{ended}");
    assert!(ended.stderr_text().contains("memory"), "{ended}");
    let job = host.newest_job().await?;
    assert_eq!(job.state(), JobState::Failed);
    let failure = job.failure.expect("a failure");
    assert_eq!(failure.class(), FailureClass::Oom, "{failure:?}");
    let limit = (256_u64 << 20).to_string();
    assert_eq!(failure.details.get("limit_bytes"), Some(&limit), "{failure:?}");
    assert!(job.memory_peak_bytes > 200 << 20, "peak of {}", job.memory_peak_bytes);
    host.stop().await
}

async fn a_command_that_kills_itself_is_not_out_of_memory(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let ended = host.kiln(["run", "--", "sh", "-c", "kill -KILL $$"]).run().await?;
    assert_eq!(ended.code, Some(137), "{ended}");
    let job = host.newest_job().await?;
    assert_eq!(job.failure.as_ref().map(Failure::class), Some(FailureClass::User));
    assert_eq!(job.exit.expect("an exit").signal, 9);
    host.stop().await
}

async fn a_filled_disk_is_named(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let script = "cat /dev/zero > /root/fill; echo still here; exit 3";
    let ended = host.kiln(["run", "--disk", "64M", "--", "sh", "-c", script]).run().await?;
    assert_eq!(ended.code, Some(3), "{ended}");
    assert_eq!(ended.stdout_text(), "still here\n", "{ended}");
    assert!(ended.stderr_text().contains("disk"), "{ended}");
    let failure = host.newest_job().await?.failure.expect("a failure");
    assert_eq!(failure.class(), FailureClass::DiskFull, "{failure:?}");
    assert_eq!(failure.details.get("disk").map(String::as_str), Some("scratch"), "{failure:?}");
    let size: u64 = failure.details["size_bytes"].parse()?;
    assert!((32 << 20..=64 << 20).contains(&size), "{failure:?}");
    host.stop().await
}

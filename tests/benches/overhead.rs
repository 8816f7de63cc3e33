//! What a job costs beyond its VM: (submit → exit seen − the command's own time) ÷ a bare VMM that
//! boots the same kernel and initramfs to the same agent's hello. In pairs, one after the other, so
//! that whatever else the machine does weighs on both.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{CreateJobRequest, ExecSpec, JobSpec, JobState, job_spec::Work};
use kiln_tests::{Bare, Bench, Estimate, Host, bench, median_seconds};
use kiln_vmm_manager::{
    guest::{Command, ExecEvent, Guest},
    vmm::Accelerator,
};

const GOAL: f64 = 1.15;
const COMMAND: &str = "true";
/// What the job's VM has: 512 MiB for the command and the reserve.
const MEMORY_BYTES: u64 = (512 + 192) << 20;

fn main() -> anyhow::Result<()> {
    bench("overhead", GOAL, |bench| Box::pin(overhead(bench)))
}

async fn overhead(bench: &Bench) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let accelerator = bench.stage.accelerator().await?;
    let settings = bench.stage.settings();
    let host = bench.stage.host().start().await?;
    let bare = Bare::new(
        &settings.guest_image,
        &settings.vhost_device_vsock,
        accelerator,
        MEMORY_BYTES,
        bench.stage.directory().join("bare"),
    )?;
    let pairs = bench.rounds(if accelerator == Accelerator::Tcg { 10 } else { 30 });
    // One of each that does not count: it fills the page cache.
    job(&host).await?;
    bare_boot(&bare).await?;
    let (mut ratios, mut jobs, mut boots) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs {
        let (job, (boot, own)) = if pair % 2 == 0 {
            let job = job(&host).await?;
            (job, bare_boot(&bare).await?)
        } else {
            let boot = bare_boot(&bare).await?;
            (job(&host).await?, boot)
        };
        let job = job.saturating_sub(own);
        ratios.push(job.as_secs_f64() / boot.as_secs_f64());
        jobs.push(job);
        boots.push(boot);
    }
    host.stop().await?;
    bench.say(&format!(
        "{pairs} pairs under {}; medians: job {:.3} s, bare VMM {:.3} s",
        accelerator.name(),
        median_seconds(&jobs),
        median_seconds(&boots),
    ));
    Ok(vec![("overhead", Estimate::of(&ratios))])
}

/// From the request to the sight of the job's end. Its teardown is over when this comes back, so
/// that it does not weigh on what is measured next.
async fn job(host: &Host) -> anyhow::Result<Duration> {
    let exec = ExecSpec { argv: vec![COMMAND.to_owned()], ..ExecSpec::default() };
    let spec = JobSpec { work: Some(Work::Exec(exec)), ..JobSpec::default() };
    let request = CreateJobRequest {
        project: String::new(),
        spec: Some(spec),
        ..CreateJobRequest::default()
    };
    let started = Instant::now();
    let id = host.create(request).await?.context("refused")?.id;
    let job = host.ended_job(&id).await?;
    let took = started.elapsed();
    ensure!(job.state() == JobState::Completed, "{job:?}");
    host.vms_are_gone().await?;
    Ok(took)
}

/// How long it takes, and how long the command takes by itself.
async fn bare_boot(bare: &Bare) -> anyhow::Result<(Duration, Duration)> {
    let vm = bare.boot().await?;
    let own = own_time(&vm.guest).await?;
    let took = vm.took;
    bare.end(vm).await?;
    Ok((took, own))
}

async fn own_time(guest: &Guest) -> anyhow::Result<Duration> {
    let command = Command {
        argv: vec![COMMAND.to_owned()],
        env: vec![("PATH".to_owned(), "/usr/bin".to_owned())],
        workdir: String::new(),
        user: String::new(),
        stdin: false,
        memory_bytes: 512 << 20,
        pids: 0,
        timeout: None,
        start_limit: Duration::from_secs(60),
        id: None,
        output_offset: 0,
        stdin_sent: Some(0),
        terminal: None,
    };
    let (_input, mut output) = guest.exec(command).await?;
    loop {
        match output.next().await? {
            ExecEvent::Exited(exit) => return Ok(exit.duration),
            ExecEvent::Refused { message, .. } => anyhow::bail!("refused: {message}"),
            _ => {}
        }
    }
}

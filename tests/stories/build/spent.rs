//! Builds that use up what they have: a step that prints without end, and an image that is larger than
//! its disk.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{
    BuildExport, BuildSpec, CreateBuildRequest, Egress, EgressMode, FailureClass, ImageExport,
    JobSpec, JobState, TreeExport, build_export::Kind, build_service_client::BuildServiceClient,
    build_spec::Dockerfile, job_spec::Work,
};
use kiln_tests::{Stage, Story, details, stories, until};
use rustix::process::Signal;

use super::scene::{Scene, based};

pub(crate) fn stories() -> Vec<Story> {
    let limit = Duration::from_secs(900);
    stories![
        a_step_that_prints_without_end_is_kept_within_its_quota.limit(limit),
        an_image_that_is_larger_than_its_disk_is_none.limit(limit),
        a_step_that_prints_past_its_time_is_over.limit(limit).only_full()
    ]
}

const MIB: u64 = 1 << 20;
const ENDLESS: &str = "FROM BASE\nRUN yes 'this is said again and again'\n";
/// `--log-quota`, of which the segments that are being thrown away may be there for a moment.
const QUOTA_BYTES: u64 = MIB;
const ON_DISK_BYTES: u64 = 2 * QUOTA_BYTES;
/// From here on it is looked at.
const NEARLY_BYTES: u64 = QUOTA_BYTES * 3 / 4;
const DROPPED: &str = "it had reached its quota";
/// Of the daemon, whatever is printed.
const MAX_GROWTH_BYTES: u64 = 64 * MIB;

async fn a_step_that_prints_without_end_is_kept_within_its_quota(
    stage: &Stage,
) -> anyhow::Result<()> {
    let scene = Scene::set_with(stage, |setup| setup.flag("--log-quota", 1)).await?;
    let context = scene.context("context", &[("Dockerfile", ENDLESS)])?;
    let memory = scene.host.resident_peak()?;
    let building = scene.build(&context, &["-t", "local/endless:1"]).start()?;
    let patience = Duration::from_secs(400);
    let job = until("much is said and dropped", patience, async || {
        let Ok(job) = scene.host.newest_job().await else { return Ok(None) };
        ensure!(job.failure.is_none(), "{:?}", job.failure);
        let stored = stored_bytes(&scene.host.home().join("jobs").join(&job.id)).unwrap_or(0);
        if stored < NEARLY_BYTES {
            return Ok(None);
        }
        let read = scene.host.kiln(["job", "logs", &job.id]).run().await?;
        Ok((read.stdout_text() + &read.stderr_text()).contains(DROPPED).then_some(job))
    })
    .await?;
    let stored = stored_bytes(&scene.host.home().join("jobs").join(&job.id))?;
    ensure!(stored <= ON_DISK_BYTES, "{stored} bytes are stored of {:?}", job.log);
    let start = Instant::now();
    building.signal(Signal::INT)?;
    let ended = building.finish().await?;
    ensure!(ended.code == Some(130), "{:?}", ended.code);
    ensure!(start.elapsed() < Duration::from_secs(30), "it took {:?}", start.elapsed());
    let job = scene.host.job(&job.id).await?;
    ensure!(job.state() == JobState::Cancelled, "{job:?}");
    ensure!(job.log.is_some_and(|log| log.dropped_bytes > 0), "{:?}", job.log);
    let growth = memory.growth()?;
    ensure!(growth < MAX_GROWTH_BYTES, "kilnd grew by {} MiB", growth / MIB);
    // The beginning and the end are there, and how much is not.
    let read = scene.host.kiln(["job", "logs", &job.id]).run().await?;
    let said = read.stdout_text() + &read.stderr_text();
    ensure!(said.len() as u64 <= 4 * QUOTA_BYTES, "{} bytes are shown", said.len());
    ensure!(said.contains("said again and again") && said.contains(DROPPED), "{read}");
    has_no_name(&scene).await?;
    scene.ends().await
}

async fn a_step_that_prints_past_its_time_is_over(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set_with(stage, |setup| setup.flag("--log-quota", 1)).await?;
    let context = scene.context("context", &[("Dockerfile", ENDLESS)])?;
    let words = ["-t", "local/endless:1", "--timeout", "60s"];
    let ended = scene.build(&context, &words).limit(Duration::from_secs(400)).run().await?;
    let job = scene.host.newest_job().await?;
    ensure!(ended.code == Some(124) && job.state() == JobState::Timeout, "{job:?}");
    let stored = stored_bytes(&scene.host.home().join("jobs").join(&job.id))?;
    ensure!(stored <= ON_DISK_BYTES, "{stored} bytes are stored of {:?}", job.log);
    has_no_name(&scene).await?;
    scene.ends().await
}

/// More than its disk has, of what nothing packs any smaller.
const LARGE: &str = "FROM BASE\nRUN dd if=/dev/urandom of=/large bs=1M count=12\n";

async fn an_image_that_is_larger_than_its_disk_is_none(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let image = ImageExport {
        names: vec!["local/large:1".to_owned()],
        compression: "uncompressed".to_owned(),
        ..ImageExport::default()
    };
    let tree = TreeExport { platform_split: false };
    let export = |name: &str, kind| BuildExport { name: name.to_owned(), kind: Some(kind) };
    let build = BuildSpec {
        dockerfile: Some(Dockerfile::DockerfileInline(based(LARGE).into_bytes().into())),
        exports: vec![export("image", Kind::Image(image)), export("tree", Kind::Tree(tree))],
        max_export_bytes: 6 * MIB,
        ..BuildSpec::default()
    };
    let egress =
        Egress { mode: EgressMode::Allow.into(), rules: vec!["registry.test:5443".to_owned()] };
    let spec = JobSpec {
        memory_bytes: 1536 * MIB,
        egress: Some(egress),
        work: Some(Work::Build(build)),
        ..JobSpec::default()
    };
    let request = CreateBuildRequest {
        project: String::new(),
        spec: Some(spec),
        secrets: Vec::new(),
        idempotency_key: "large".to_owned(),
    };
    let mut api = BuildServiceClient::new(scene.host.client().connect().await?);
    let made = api.create_build(request).await?.into_inner().build.context("no build")?;
    let job = scene.host.ended_job(&made.job.context("no job")?.id).await?;
    ensure!(job.state() == JobState::Failed, "{job:?}");
    let failure = job.failure.clone().unwrap_or_default();
    ensure!(failure.class() == FailureClass::DiskFull, "{failure:?}");
    let told = details(&job);
    let told = |name: &str| told.get(name).map_or("", String::as_str);
    ensure!(told("disk") == "output" && ["image", "tree"].contains(&told("output")), "{failure:?}");
    ensure!(told("size_bytes") == (6 * MIB).to_string(), "{failure:?}");
    ensure!(job.outputs.is_empty(), "{:?}", job.outputs);
    has_no_name(&scene).await?;
    scene.ends().await
}

async fn has_no_name(scene: &Scene) -> anyhow::Result<()> {
    let listed = scene.host.kiln(["image", "ls"]).run().await?;
    ensure!(!listed.stdout_text().contains("local/"), "an image has a name: {listed}");
    Ok(())
}

/// Of all files there.
fn stored_bytes(directory: &Path) -> anyhow::Result<u64> {
    let mut waiting = vec![PathBuf::from(directory)];
    let mut bytes = 0;
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            // One that has gone meanwhile is not stored.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else {
                bytes += metadata.len();
            }
        }
    }
    Ok(bytes)
}

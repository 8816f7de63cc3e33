//! What a whole `kiln rootfs` is made of: the share that each phase of its job has of the time from the
//! command line's start to its end, boot check and download included, and how the whole stands to the
//! converter alone, as a program on this host, with the same image. There is no goal: under emulation the
//! two machines are most of it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kiln_forge::Forge;
use kiln_gallery::{Form, Picture, debian};
use kiln_tests::{Bench, Dice, Estimate, Host, bench, median_seconds};
use serde_json::json;

const FILES: usize = 1000;
const FILE_BYTES: usize = 64 << 10;
/// In the order in which they come. What is in none of them is the command line's: the upload before and
/// the download behind.
const PHASES: [&str; 13] = [
    "queue", "fetch", "disks", "vmm", "boot", "hello", "source", "work", "pack", "ingest", "check",
    "publish", "stop",
];

fn main() -> anyhow::Result<()> {
    bench("rootfs", None, |bench| Box::pin(rootfs(bench)))
}

async fn rootfs(bench: &Bench) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let converter = std::env::var_os("KILN_ROOTFS").context("KILN_ROOTFS is not set")?;
    let host = bench.stage.host().start().await?;
    let directory = bench.stage.directory();
    let image = image().form(Form::Archive).hang();
    // One that does not count: it fills the page cache.
    made(&host, &image.image(), directory).await?;
    let rounds = bench.rounds(5);
    let mut shares: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let (mut ratios, mut wholes, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (whole, phases) = made(&host, &image.image(), directory).await?;
        for name in PHASES {
            let took = phases.get(name).copied().unwrap_or_default();
            shares.entry(name).or_default().push(took.as_secs_f64() / whole.as_secs_f64());
        }
        let by_itself = convert(Path::new(&converter), &image.image(), directory)?;
        ratios.push(whole.as_secs_f64() / by_itself.as_secs_f64());
        wholes.push(whole);
        alone.push(by_itself);
    }
    host.stop().await?;
    bench.say(&format!(
        "{rounds} rounds of {} MiB; medians: whole {:.1} s, the converter alone {:.2} s",
        (FILES * FILE_BYTES) >> 20,
        median_seconds(&wholes),
        median_seconds(&alone),
    ));
    let mut results = vec![("rootfs_whole", Estimate::of(&ratios))];
    let share = |name| shares.get(name).map(|shares| (name, Estimate::of(shares)));
    results.extend(PHASES.into_iter().filter_map(share));
    Ok(results)
}

/// Bytes that do not compress, and something to run.
fn image() -> Picture {
    let mut dice = Dice::new(1);
    let mut forge = Forge::default().member(b'0', "busybox", "", 0o755, &debian::busybox());
    for file in 0..FILES {
        forge = forge.member(b'0', &format!("file-{file}"), "", 0o644, &dice.bytes(FILE_BYTES));
    }
    Picture::of(vec![forge.end()]).runs(json!({ "Entrypoint": ["/busybox", "true"] }))
}

async fn made(
    host: &Host,
    image: &Path,
    directory: &Path,
) -> anyhow::Result<(Duration, BTreeMap<String, Duration>)> {
    let output = directory.join("app.ext4");
    let ended = host.kiln(["rootfs", "-o"]).argument(&output).argument(image).run().await?;
    ensure!(ended.code == Some(0), "{ended}");
    let job = host.newest_job().await?;
    let mut phases = BTreeMap::new();
    for phase in job.phases {
        let took = Duration::try_from(phase.duration.unwrap_or_default())?;
        *phases.entry(phase.name).or_insert(Duration::ZERO) += took;
    }
    std::fs::remove_file(output)?;
    host.vms_are_gone().await?;
    Ok((ended.took, phases))
}

/// Without the init, which is the guest's.
fn convert(program: &Path, image: &Path, directory: &Path) -> anyhow::Result<Duration> {
    let output: PathBuf = directory.join("alone.ext4");
    let began = Instant::now();
    let status =
        Command::new(program).args(["--quiet", "--output"]).args([&output, image]).status()?;
    let took = began.elapsed();
    ensure!(status.success(), "the converter: {status}");
    std::fs::remove_file(output)?;
    Ok(took)
}

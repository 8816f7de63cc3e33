//! The run of this same program that tells the nested stories.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::Context as _;

use super::{
    lines::{Line, Lines},
    outer::{self, inside},
    place::Place,
};
use crate::{Settings, Stage, block_on, patience, settings::Tier};

/// How much of the end of what it said is shown.
const WORDS_BYTES: usize = 6 << 10;
/// A guest of an emulated machine, on a machine that is busy.
const OUTER_PATIENCE: u32 = 5;

/// Killed when it is dropped.
#[derive(Debug)]
pub(super) struct Run {
    child: Child,
    report: Lines,
    /// What it says beside its report.
    words: PathBuf,
    stage: Stage,
}

impl Run {
    pub(super) fn start(
        place: &Place,
        settings: &Arc<Settings>,
        names: &[String],
    ) -> anyhow::Result<Self> {
        let stage = Stage::set_up(Arc::clone(settings))?;
        let directory = stage.directory();
        let report = outer::report(directory);
        let (mut command, words) = match place {
            Place::Here => (here(settings, names, directory)?, directory.join("stories.log")),
            Place::Outer(parts) => {
                let environment = outer_environment(settings, names)?;
                let machine = outer::machine(parts, settings, &environment, directory)?;
                (machine, outer::console(directory))
            }
        };
        // What a VMM complains of belongs to what the run says.
        command.stderr(File::options().create(true).append(true).open(&words)?);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        Ok(Self { child, report: Lines::of(&report)?, words, stage })
    }

    pub(super) fn read(&mut self) -> anyhow::Result<Vec<Line>> {
        self.report.read()
    }

    pub(super) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        while !self.has_ended()? {
            std::thread::yield_now();
        }
        Ok(())
    }

    pub(super) fn last_words(&self) -> String {
        let text = fs::read(&self.words).unwrap_or_default();
        let tail = &text[text.len().saturating_sub(WORDS_BYTES)..];
        format!("; the end of what it said:\n{}", String::from_utf8_lossy(tail).trim())
    }

    /// After its end: nothing may be left.
    pub(super) fn strike(self) -> anyhow::Result<()> {
        block_on(self.stage.strike())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // One that has ended can't be killed.
        let _ = self.kill();
    }
}

fn here(settings: &Settings, names: &[String], directory: &Path) -> anyhow::Result<Command> {
    let report = outer::report(directory);
    File::create(&report)?;
    let log = File::options().create(true).append(true).open(directory.join("stories.log"))?;
    // The kernel ends it with us, and it the guests that it runs.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(std::env::current_exe()?);
    command.envs(told(names)).env("KILN_STORY_REPORT", report);
    command.envs(settings.cloud_hypervisor.iter().map(|path| ("KILN_CLOUD_HYPERVISOR", path)));
    command.stdin(Stdio::null()).stdout(log);
    Ok(command)
}

/// What the run is told wherever it is.
fn told(names: &[String]) -> [(&'static str, String); 4] {
    [
        ("KILN_TIER", Tier::Nested.name().to_owned()),
        ("KILN_TELL", names.join(",")),
        ("KILN_VMM", "cloud-hypervisor".to_owned()),
        ("KILN_ACCELERATOR", "kvm".to_owned()),
    ]
}

fn outer_environment(
    settings: &Settings,
    names: &[String],
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut environment = told(names).to_vec();
    let text = |name, value: &str| (name, value.to_owned());
    environment.extend([
        text("KILN_STORIES", "1"),
        text("KILN_GUEST_IMAGE", inside::IMAGE),
        text("KILN_STORY_REPORT", inside::REPORT),
        text("TMPDIR", inside::TEMPORARY),
        text("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        text("RUST_BACKTRACE", "1"),
        (patience::VARIABLE, OUTER_PATIENCE.to_string()),
    ]);
    let programs = [
        ("KILN_VHOST_DEVICE_VSOCK", Some(&settings.vhost_device_vsock)),
        ("KILN_KILND", Some(&settings.kilnd)),
        ("KILN_CLI", Some(&settings.cli)),
        ("KILN_KILND_STUB", Some(&settings.kilnd_stub)),
        ("KILN_FAULTS", Some(&settings.faults)),
        ("KILN_CLOUD_HYPERVISOR", settings.cloud_hypervisor.as_ref()),
        ("KILN_MACHINES", settings.machines.as_ref()),
    ];
    for (name, path) in programs {
        let Some(path) = path else { continue };
        let file = path.file_name().context("a program without a name")?.to_string_lossy();
        environment.push((name, format!("{}/{file}", inside::PROGRAMS)));
    }
    Ok(environment)
}

//! `kilnd doctor`: whether a job could run here, proven by doing.
//!
//! ```text
//!                  leftovers of killed        boots the real guest with
//! flags ──▶ image ──▶ doctors ──▶ home of ──▶ each VMM ──▶ the daemon's ──▶ checks ──▶ report
//!                                 its own        │          own choice        │
//!                                                └── SIGINT, SIGTERM ─────────┴──▶ cleared away
//! ```
//!
//! Everything is tried in a home of the doctor's own, which is removed on every way out but SIGKILL;
//! then the next doctor does it. The daemon's home is looked at and never written to, so a daemon
//! that runs in it notices nothing. What a job needs and is not there makes the exit code 1; all
//! else is told and changes nothing.

mod checks;
mod guests;
mod reach;
mod report;
mod work;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use kiln_images::GuestImage;
use rustix::process::geteuid;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
};

use self::{
    checks::Patient,
    report::{Area, Check, Report, json, table},
    work::{Left, WorkError, Workplace},
};
use crate::{
    config::{DoctorFlags, DriverConfig},
    vmm::described,
};

/// As a shell shows a process that a signal has ended.
const INTERRUPTED: u8 = 130;
const TERMINATED: u8 = 143;

/// Looks at everything and says it on stdout. 0 if a job could run here, else 1.
pub async fn run(flags: DoctorFlags) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let root = flags.work.clone().unwrap_or_else(work::default_root);
    let left = work::sweep(&root).await;
    let work = Workplace::open(&root);
    let stopped = {
        let examined = examine(&flags, &root, work.as_ref(), left);
        tokio::select! {
            report = examined => Ok(report?),
            _ = interrupt.recv() => Err(INTERRUPTED),
            _ = terminate.recv() => Err(TERMINATED),
        }
    };
    let mut left = Vec::new();
    if let Ok(work) = work {
        left = work.close().await;
    }
    let mut report = match stopped {
        Ok(report) => report,
        Err(code) => return Ok(code.into()),
    };
    report.checks.extend(leftovers(left));
    let text = if flags.json { json(&report)? + "\n" } else { table(&report) };
    io::stdout().write_all(text.as_bytes())?;
    Ok(if report.is_ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn examine(
    flags: &DoctorFlags,
    root: &std::path::Path,
    work: Result<&Workplace, &WorkError>,
    left: Vec<Left>,
) -> anyhow::Result<Report> {
    let drivers = DriverConfig::read(&flags.daemon)?;
    let image = opened(flags.daemon.guest_image.clone()).await?;
    let patient = Patient {
        flags: flags.daemon.clone(),
        shim: Some(drivers.shim.clone()),
        image,
        is_root: geteuid().is_root(),
    };
    let site = guests::Site { flags, root, work, drivers: &drivers, image: &patient.image };
    let (guests, driver) = guests::examine(site).await?;
    let mut checks = leftovers(left);
    match work {
        Ok(work) => checks.push(checks::cgroups(work).await),
        Err(error) => checks.push(
            Check::missing(Area::Kilnd, "the doctor's own directory", described(error))
                .mend("name another one with --work"),
        ),
    }
    checks.extend(spawn_blocking(move || checks::blocking(&patient)).await?);
    checks.sort_by_key(|check| check.area);
    Ok(Report { guests, driver, checks })
}

/// The guest image, found to be what its manifest says, or why it is none.
async fn opened(directory: Option<PathBuf>) -> anyhow::Result<Result<GuestImage, String>> {
    let Some(directory) = directory else { return Ok(Err("none is named".to_owned())) };
    let open = move || {
        let image = GuestImage::open(directory)?;
        image.verify().map(|()| image)
    };
    let opened = spawn_blocking(open).await?;
    Ok(opened.map_err(|error| described(&error)))
}

fn leftovers(left: Vec<Left>) -> Vec<Check> {
    let told = left.into_iter().map(|Left(what)| {
        Check::warning(Area::Kilnd, "leftovers of a doctor", what)
            .mend("see what it is, and remove it by hand")
    });
    told.collect()
}

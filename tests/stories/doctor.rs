//! `kiln doctor` on this very host, which is whatever it is: what the stories know of it is that
//! emulation works.

mod schema;

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, ensure};
use kiln_tests::{Finished, Kiln, Stage, Story, stories, until};
use rustix::process::Signal;
use serde_json::Value;

/// For a VM of the doctor's to be there.
const VM_LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn stories() -> Vec<Story> {
    stories![
        it_proves_what_runs_guests_and_remembers,
        two_at_once_do_not_meet,
        one_that_is_told_to_stop_leaves_nothing,
        one_that_was_killed_is_cleared_up_after,
        without_an_image_it_says_so.virtual_cpus(0),
        without_root_it_says_so.virtual_cpus(0),
        what_kilnd_would_refuse_is_told.virtual_cpus(0),
        a_running_daemon_notices_nothing,
    ]
}

fn emulating(doctor: Kiln) -> Kiln {
    doctor.argument("--allow-emulation")
}

/// What it prints as JSON, in the documented shape.
fn told(ended: &Finished) -> anyhow::Result<Value> {
    let report = ended.json()?;
    schema::check(&report)?;
    Ok(report)
}

/// The finding and the words of one check.
fn check<'a>(report: &'a Value, name: &str) -> anyhow::Result<(&'a str, &'a str)> {
    let checks = report["checks"].as_array().context("no checks")?;
    let check = checks.iter().find(|check| check["name"] == name);
    let check = check.with_context(|| format!("nothing of {name}: {report}"))?;
    let text = |field: &str| check[field].as_str().with_context(|| format!("no {field}: {check}"));
    Ok((text("finding")?, text("found")?))
}

fn guest<'a>(report: &'a Value, vmm: &str, accelerator: &str) -> anyhow::Result<&'a Value> {
    let guests = report["guests"].as_array().context("no guests")?;
    let guest = guests.iter().find(|it| it["vmm"] == vmm && it["accelerator"] == accelerator);
    guest.with_context(|| format!("nothing of {vmm} under {accelerator}: {report}"))
}

/// Only what was found out is kept.
fn nothing_is_left(stage: &Stage) -> anyhow::Result<()> {
    let mut left = Vec::new();
    for entry in fs::read_dir(stage.doctors())? {
        left.push(entry?.file_name().into_string().unwrap_or_default());
    }
    ensure!(left.iter().all(|name| name == "probes.json"), "the doctor left {left:?}");
    Ok(())
}

async fn it_proves_what_runs_guests_and_remembers(stage: &Stage) -> anyhow::Result<()> {
    let first = emulating(stage.doctor()).argument("--json").run().await?;
    let report = told(&first)?;
    ensure!(first.code == Some(0) && report["ready"] == true, "{first}");
    let emulated = guest(&report, "qemu", "tcg")?;
    ensure!(emulated["verdict"] == "works" && emulated["kept"] == false, "{emulated}");
    let best = [("cloud-hypervisor", "kvm"), ("qemu", "kvm"), ("qemu", "tcg")];
    let mut works = None;
    for (vmm, accelerator) in best {
        if works.is_none() && guest(&report, vmm, accelerator)?["verdict"] == "works" {
            works = Some((vmm, accelerator));
        }
    }
    let driver = &report["driver"];
    ensure!(works == driver["vmm"].as_str().zip(driver["accelerator"].as_str()), "{report}");
    for name in ["root", "kiln-shim", "kiln-helper", "user", "guest image", "mke2fs", "seccomp"] {
        ensure!(check(&report, name)?.0 == "ok", "{name}: {report}");
    }
    nothing_is_left(stage)?;
    ensure!(!stage.directory().join("home").exists(), "the doctor made a home");

    let second = emulating(stage.doctor()).argument("--json").run().await?;
    let report = told(&second)?;
    ensure!(guest(&report, "qemu", "tcg")?["kept"] == true, "it was forgotten: {report}");

    // What was found out is garbled: it is found out again.
    fs::write(stage.doctors().join("probes.json"), "{\"boot_id\": \"")?;
    let third = emulating(stage.doctor()).run().await?;
    ensure!(third.code == Some(0), "{third}");
    let table = third.stdout_text();
    ensure!(table.contains("A job could run here.") && !table.contains("earlier"), "{table}");

    if works == Some(("qemu", "tcg")) {
        let strict = stage.doctor().run().await?;
        ensure!(strict.code == Some(1), "{strict}");
        ensure!(strict.stdout_text().contains("--allow-emulation"), "{strict}");
    }
    nothing_is_left(stage)
}

async fn two_at_once_do_not_meet(stage: &Stage) -> anyhow::Result<()> {
    let doctor = || emulating(stage.doctor()).arguments(["--json", "--again"]).run();
    let (one, other) = tokio::try_join!(doctor(), doctor())?;
    for ended in [one, other] {
        let report = told(&ended)?;
        ensure!(ended.code == Some(0) && report["ready"] == true, "{ended}");
        ensure!(check(&report, "leftovers of a doctor").is_err(), "{report}");
    }
    nothing_is_left(stage)
}

async fn one_that_is_told_to_stop_leaves_nothing(stage: &Stage) -> anyhow::Result<()> {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let doctor = emulating(stage.doctor()).argument("--again").start()?;
        has_a_vm(stage).await?;
        doctor.signal(signal)?;
        let ended = doctor.finish().await?;
        ensure!(ended.code == Some(code) && ended.stdout.is_empty(), "{ended}");
        nothing_is_left(stage)?;
    }
    Ok(())
}

async fn one_that_was_killed_is_cleared_up_after(stage: &Stage) -> anyhow::Result<()> {
    let killed = emulating(stage.doctor()).argument("--again").start()?;
    has_a_vm(stage).await?;
    killed.signal(Signal::KILL)?;
    ensure!(killed.finish().await?.code.is_none(), "it was not killed");
    ensure!(nothing_is_left(stage).is_err(), "there is nothing to clear up");
    let precious = stage.doctors().join("precious");
    fs::write(&precious, "")?;
    // Without an image nothing is booted, and what is left is cleared up all the same.
    let next = stage.doctor_who_knows(None).argument("--json").run().await?;
    let report = told(&next)?;
    ensure!(check(&report, "leftovers of a doctor").is_err(), "{report}");
    ensure!(precious.exists(), "what is not its own is gone");
    fs::remove_file(precious)?;
    nothing_is_left(stage)
}

/// Until one of its VMs has a supervisor.
async fn has_a_vm(stage: &Stage) -> anyhow::Result<()> {
    until("the doctor has a VM", VM_LIMIT, async || {
        let mut homes = fs::read_dir(stage.doctors()).into_iter().flatten().flatten();
        let record = |home: fs::DirEntry| home.path().join("vms/probe/shim.json").exists();
        Ok(homes.any(record).then_some(()))
    })
    .await
}

async fn without_an_image_it_says_so(stage: &Stage) -> anyhow::Result<()> {
    let ended = emulating(stage.doctor_who_knows(None)).argument("--json").run().await?;
    let report = told(&ended)?;
    ensure!(ended.code == Some(1) && report["ready"] == false, "{ended}");
    ensure!(check(&report, "guest image")?.0 == "missing", "{report}");
    ensure!(report["driver"].is_null() && report["refusal"].is_string(), "{report}");
    ensure!(guest(&report, "qemu", "tcg")?["verdict"] == "not_tried", "{report}");
    let nowhere = stage.directory().join("nowhere");
    let ended = stage.doctor_who_knows(Some(&nowhere)).run().await?;
    ensure!(ended.code == Some(1), "{ended}");
    ensure!(ended.stdout_text().contains("there is no guest image in"), "{ended}");
    nothing_is_left(stage)
}

async fn without_root_it_says_so(stage: &Stage) -> anyhow::Result<()> {
    let ended = emulating(stage.doctor_of_nobody()?).argument("--json").run().await?;
    let report = told(&ended)?;
    ensure!(ended.code == Some(1) && report["ready"] == false, "{ended}");
    ensure!(check(&report, "root")?.0 == "missing", "{report}");
    ensure!(check(&report, "seccomp")?.0 == "ok", "{report}");
    nothing_is_left(stage)
}

async fn what_kilnd_would_refuse_is_told(stage: &Stage) -> anyhow::Result<()> {
    let home = stage.directory().join("home");
    fs::create_dir(&home)?;
    fs::write(home.join("precious"), "")?;
    let doctor = stage.doctor_who_knows(None).arguments(["--json", "--log-quota", "0"]);
    let ended = doctor.run().await?;
    let report = told(&ended)?;
    ensure!(ended.code == Some(1), "{ended}");
    let (finding, found) = check(&report, "flags")?;
    ensure!(finding == "missing" && found.contains("--log-quota"), "{report}");
    let (finding, found) = check(&report, "home")?;
    ensure!(finding == "missing" && found.contains("never a home"), "{report}");
    ensure!(home.join("precious").exists(), "{report}");
    nothing_is_left(stage)
}

async fn a_running_daemon_notices_nothing(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let before = listed(host.home())?;
    let ended = stage.doctor_who_knows(None).argument("--json").run().await?;
    let (finding, found) = check(&told(&ended)?, "home").map(|(a, b)| (a == "ok", b.to_owned()))?;
    ensure!(finding && found.contains("a kilnd runs"), "{found}");
    ensure!(listed(host.home())? == before, "the doctor altered the home");
    let ran = host.kiln(["run", "--", "true"]).run().await?;
    ensure!(ran.code == Some(0), "{ran}");
    let jail = &host.newest_job().await?.machine.context("no machine")?.jail;
    ensure!(jail.as_ref().is_some_and(|jail| jail.full == jail.missing.is_empty()), "{jail:?}");
    host.stop().await
}

/// Names and times of a home, but not of what a daemon writes by itself.
fn listed(home: &Path) -> anyhow::Result<Vec<(String, SystemTime)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(home)? {
        let entry = entry?;
        found.push((
            entry.file_name().to_string_lossy().into_owned(),
            entry.metadata()?.modified()?,
        ));
    }
    found.sort();
    Ok(found)
}

//! A daemon with many VMs: what it needs for each, and what it costs to remove those that no record
//! knows.
//!
//! The VMs of one daemon are removed by both: after its death most by hand, in groups, and the last
//! group by the next daemon.

use std::{
    fs,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kiln_proto::v1::ListJobsRequest;
use kiln_tests::{Bench, Estimate, Host, has_ended, median_seconds, until};
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use super::{LIMIT, sleeping};

const MANY: usize = 1000;
/// Of them, at a time.
const ORPHANS: usize = 200;
/// Then it is told how many have been started.
const START_LIMIT: Duration = Duration::from_secs(120);
const REMOVED: &str = "orphans of earlier VMs were removed";

pub(super) async fn stubs(
    bench: &Bench,
    turns: usize,
) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let setup = || {
        let setup = bench.stage.stub_host().named("o").stub_memory(1 << 30);
        let setup = setup.flag("--max-vms", MANY).flag("--cpus", MANY);
        setup.flag("--disk", 1 << 20).flag("--drain-limit", 0)
    };
    let (mut memory, mut ratios) = (Vec::new(), Vec::new());
    for turn in 0..turns {
        // As many as must be seen once; enough for both after that.
        let asked = if turn == 0 { MANY } else { 2 * ORPHANS };
        let host = setup().start().await?;
        let (home, vms) = (host.home().to_owned(), host.home().join("vms"));
        let empty = resident(host.process())?;
        let started = Instant::now();
        let running = running(&host, turn, asked).await?;
        if turn == 0 {
            let resident = resident(host.process())?;
            bench.say(&format!(
                "{running} of {asked} stubs run after {:.0} s; kilnd has {resident:.1} MiB, and had \
                 {empty:.1} before",
                started.elapsed().as_secs_f64()
            ));
            memory.push(resident / f64::from(running));
        }
        host.kill().await?;
        fs::remove_dir_all(home.join("store"))?;
        let instance = fs::read_to_string(home.join("instance"))?;
        let mut directories = Vec::new();
        for vm in fs::read_dir(&vms)? {
            directories.push(vm?.path());
        }
        let mut by_hand = Vec::new();
        while directories.len() >= 2 * ORPHANS {
            let group = directories.split_off(directories.len() - ORPHANS);
            let started = Instant::now();
            remove(&group, instance.trim())?;
            by_hand.push(started.elapsed());
        }
        ensure!(!by_hand.is_empty(), "{running} stubs are not enough");
        let left = directories.len();
        let log = bench.stage.directory().join("o.log");
        let seen = fs::metadata(&log)?.len();
        let host = setup().start().await?;
        ensure!(fs::read_dir(&vms)?.next().is_none(), "kilnd left an orphan");
        let swept = sweep_of(&fs::read_to_string(&log)?[usize::try_from(seen)?..])?;
        host.stop().await?;
        let each = |took: f64, of: usize| took / f64::from(u32::try_from(of).unwrap_or(u32::MAX));
        let (hand, daemon) =
            (each(median_seconds(&by_hand), ORPHANS), each(swept.as_secs_f64(), left));
        bench.say(&format!(
            "an orphan by hand {:.2} ms, by kilnd {:.2} ms, {left} of them",
            hand * 1e3,
            daemon * 1e3
        ));
        ratios.push(daemon / hand);
    }
    Ok(vec![("memory", Estimate::of(&memory)), ("reconcile", Estimate::of(&ratios))])
}

/// As many as come to run, up to all that were asked for.
async fn running(host: &Host, turn: usize, asked: usize) -> anyhow::Result<u32> {
    let client = host.client();
    for number in 0..asked {
        client.submit(&sleeping(), &format!("orphan-{turn}-{number}")).await??;
    }
    let mut last = (0, Instant::now());
    let end = Instant::now() + START_LIMIT;
    until("as many run as can", LIMIT, async || {
        // That they have their command, and not only their share.
        let jobs = at_work(host).await?;
        if jobs != last.0 {
            last = (jobs, Instant::now());
        }
        let stands = jobs > 0 && last.1.elapsed() > Duration::from_secs(20);
        Ok((jobs as usize == asked || stands || Instant::now() > end).then_some(jobs))
    })
    .await
}

/// How many have their command running.
async fn at_work(host: &Host) -> anyhow::Result<u32> {
    let mut api = host.api().await?;
    let (mut found, mut page_token) = (0, String::new());
    loop {
        let request = ListJobsRequest { page_size: 1000, page_token, ..Default::default() };
        let page = api.list_jobs(request).await?.into_inner();
        for job in &page.jobs {
            ensure!(!has_ended(job), "a stub has ended: {job:?}");
            found += u32::from(job.phases.iter().any(|phase| phase.name == "work"));
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(found);
        }
    }
}

/// Every process of theirs is killed, and waited for; then their cgroups and directories go.
fn remove(vms: &[PathBuf], instance: &str) -> anyhow::Result<()> {
    let mut dying = Vec::new();
    for vm in vms {
        let record: serde_json::Value = serde_json::from_slice(&fs::read(vm.join("shim.json"))?)?;
        let mut ids = vec![&record["process"]["pid"]];
        let children = record["children"].as_array().context("no children")?;
        ids.extend(children.iter().map(|child| &child["process"]["pid"]));
        for id in ids {
            let id = id.as_i64().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
            let process = pidfd_open(id.context("no process id")?, PidfdFlags::empty())?;
            pidfd_send_signal(&process, Signal::KILL)?;
            dying.push(process);
        }
    }
    for process in &dying {
        poll(&mut [PollFd::new(process, PollFlags::IN)], None)?;
    }
    for vm in vms {
        let name = vm.file_name().context("no name")?;
        for hierarchy in fs::read_dir("/sys/fs/cgroup")? {
            let group = hierarchy?.path().join(format!("kiln-{instance}")).join(name);
            remove_group(&group)?;
        }
        fs::remove_dir_all(vm)?;
    }
    Ok(())
}

/// What was in it may be dying.
fn remove_group(group: &Path) -> anyhow::Result<()> {
    while let Err(error) = fs::remove_dir(group) {
        match error.kind() {
            std::io::ErrorKind::ResourceBusy => sleep(Duration::from_millis(1)),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => break,
            _ => return Err(error.into()),
        }
    }
    Ok(())
}

/// What the daemon says of its first sweep.
fn sweep_of(log: &str) -> anyhow::Result<Duration> {
    let line = log.lines().find(|line| line.contains(REMOVED)).context("nothing was swept")?;
    let millis = line.split("took_ms=").nth(1).context("a sweep without its time")?;
    let millis: String = millis.chars().take_while(char::is_ascii_digit).collect();
    Ok(Duration::from_millis(millis.parse()?))
}

/// In MiB.
fn resident(process: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kibibytes = status.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok()
    });
    let kibibytes = kibibytes.context("no VmRSS")?;
    ensure!(kibibytes > 0.0, "a process without memory");
    Ok(kibibytes / 1024.0)
}

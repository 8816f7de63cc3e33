//! Control groups of version 2, which the host of the nested stories has.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
};

use anyhow::{Context as _, ensure};
use kiln_tests::{Settings, Stage, Story, stories};
use tokio::process::Command;

const CONTROLLERS: &str = "/sys/fs/cgroup/cgroup.controllers";

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_job_has_a_group_with_its_limits.only_nested().unless(why_not),
        machines_keep_to_their_groups.only_nested().unless(why_not),
    ]
}

fn why_not(_: &Settings) -> Option<&'static str> {
    (!Path::new(CONTROLLERS).exists()).then_some("this host's control groups are of version 1")
}

async fn a_job_has_a_group_with_its_limits(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let job = host.sleeping_job().await?;
    let groups: Vec<_> =
        host.cgroups()?.into_iter().filter(|path| host.is_vms_cgroup(path)).collect();
    let [group] = &*groups else { panic!("not one group: {groups:?}") };
    assert!(group.ends_with(&job.id), "{group}");
    let read = |file: &str| {
        let text = fs::read_to_string(Path::new(group).join(file));
        text.map(|text| text.trim().to_owned()).with_context(|| format!("reading {file}"))
    };
    let memory: u64 = read("memory.max")?.parse()?;
    let asked = job.spec.context("no spec")?.memory_bytes.max(512 << 20);
    assert!(memory > asked && memory < asked + (1 << 30), "{memory} for {asked}");
    assert_eq!(read("memory.swap.max")?, "0");
    assert!(read("pids.max")?.parse::<u32>()? < 1000);
    let members: Vec<u32> =
        read("cgroup.procs")?.lines().filter_map(|id| id.parse().ok()).collect();
    let processes = host.vm_processes()?;
    let vmm = processes.iter().find(|process| process.command.contains(&stage.settings().vmm));
    assert!(vmm.is_some_and(|vmm| members.contains(&vmm.id)), "{members:?} {processes:?}");
    let cancelled = host.kiln(["job", "cancel", &job.id]).run().await?;
    assert_eq!(cancelled.code, Some(0), "{cancelled}");
    host.vms_are_gone().await?;
    assert!(!Path::new(group).exists(), "{group} is left");
    host.stop().await
}

/// The tests of supervised machines that are about groups: made, counted, out of memory, removed.
async fn machines_keep_to_their_groups(stage: &Stage) -> anyhow::Result<()> {
    let program =
        stage.settings().machines.as_ref().context("the tests of machines are missing")?;
    for filter in ["cgroup::", "memory::"] {
        // A story that fails shows the end of each log.
        let log = stage.directory().join(format!("{}.log", filter.trim_end_matches(':')));
        let mut tests = Command::new(program);
        tests.args(["--test-threads", "1", filter]).env("TMPDIR", stage.directory());
        // The end of the log is to name the tests that failed.
        tests.env("RUST_BACKTRACE", "0");
        tests.stdin(Stdio::null()).stdout(append(&log)?).stderr(append(&log)?);
        let mut tests = tests.kill_on_drop(true).spawn().context("starting the tests")?;
        let status = tests.wait().await?;
        let said = fs::read_to_string(&log)?;
        ensure!(status.success() && !said.contains(" 0 passed"), "{filter} {status}");
    }
    Ok(())
}

fn append(path: &Path) -> std::io::Result<File> {
    File::options().create(true).append(true).open(path)
}

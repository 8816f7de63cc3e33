//! Who may do what: kilnd, its helper, and the supervisors of VMs.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use kiln_tests::{Host, Stage, Story, stories, until};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        kilnd_can_do_nothing_that_its_user_cannot.virtual_cpus(1),
        a_kilnd_without_its_helper_leaves.virtual_cpus(1),
        a_socket_in_a_directory_of_roots_is_made_and_taken_away.virtual_cpus(0),
    ]
}

const NONE: &str = "0000000000000000";
const KILL_ALONE: &str = "0000000000000020";
const LIMIT: Duration = Duration::from_secs(30);

fn status(pid: u32, field: &str) -> anyhow::Result<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(line.with_context(|| format!("{field} of {pid}"))?.trim().to_owned())
}

/// What a process may do: its capabilities, permitted and in effect alike.
fn has(pid: u32, user: &str, capabilities: &str, bounded: &str) -> anyhow::Result<()> {
    let ids = [user; 4].join("\t");
    for (field, expected) in [
        ("Uid", ids.as_str()),
        ("Gid", ids.as_str()),
        ("Groups", ""),
        ("CapInh", NONE),
        ("CapPrm", capabilities),
        ("CapEff", capabilities),
        ("CapBnd", bounded),
        ("CapAmb", NONE),
        ("NoNewPrivs", "1"),
    ] {
        let actual = status(pid, field)?;
        ensure!(actual == expected, "{field} of {pid} is {actual:?}, not {expected:?}");
    }
    Ok(())
}

/// The one whose parent is the daemon.
fn helper(host: &Host) -> anyhow::Result<u32> {
    let daemon = host.process().to_string();
    let children = format!("/proc/{daemon}/task/{daemon}/children");
    let children = fs::read_to_string(children)?;
    let mut children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    children
        .find(|pid: &u32| {
            fs::read_link(format!("/proc/{pid}/exe"))
                .is_ok_and(|exe| exe.file_name().is_some_and(|name| name == "kiln-helper"))
        })
        .context("there is no helper")
}

async fn kilnd_can_do_nothing_that_its_user_cannot(stage: &Stage) -> anyhow::Result<()> {
    let tried = stage.directory().join("trespass");
    let host = stage.stub_host().trespassing(&tried).start().await?;
    let report = fs::read_to_string(&tried)?;
    assert_eq!(report.lines().collect::<Vec<_>>(), ["tried 18"], "not denied");
    host.sleeping_job().await?;
    let user = fs::metadata(host.home())?;
    let user = std::os::unix::fs::MetadataExt::uid(&user).to_string();
    for task in fs::read_dir(format!("/proc/{}/task", host.process()))? {
        let task = task?.file_name().into_string().ok().and_then(|task| task.parse().ok());
        has(task.context("a task")?, &user, NONE, NONE)?;
    }
    for shim in host.supervisors()? {
        has(shim, &user, KILL_ALONE, NONE)?;
    }
    ensure!(host.supervisors()?.len() == 1, "{:?}", host.supervisors()?);
    let helper = helper(&host)?;
    let effective = status(helper, "CapEff")?;
    has(helper, "0", &effective, &effective)?;
    host.stop().await?;
    until("the helper has ended", LIMIT, async || {
        Ok((!Path::new(&format!("/proc/{helper}")).exists()).then_some(()))
    })
    .await
}

/// The next one starts another helper, and takes up what runs.
async fn a_kilnd_without_its_helper_leaves(stage: &Stage) -> anyhow::Result<()> {
    let mut host = stage.stub_host().start().await?;
    let job = host.sleeping_job().await?;
    let helper = i32::try_from(helper(&host)?)?;
    let helper = rustix::process::Pid::from_raw(helper).context("no process id")?;
    rustix::process::kill_process(helper, rustix::process::Signal::KILL)?;
    let status = host.ended(LIMIT).await?;
    ensure!(status.code().is_some_and(|code| code != 0), "kilnd ended with {status}");
    let host = stage.stub_host().start().await?;
    assert_eq!(host.job(&job.id).await?.phase(), job.phase());
    host.kiln(["job", "cancel", &job.id]).run().await?;
    host.vms_are_gone().await?;
    host.stop().await
}

async fn a_socket_in_a_directory_of_roots_is_made_and_taken_away(
    stage: &Stage,
) -> anyhow::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    let directory = tempfile::tempdir()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    chown(directory.path(), Some(0), Some(0))?;
    let socket = directory.path().join("kilnd.sock");
    let host = stage.stub_host().socket(&socket).start().await?;
    let data = fs::symlink_metadata(&socket)?;
    let owner = fs::metadata(host.home())?.uid();
    assert_eq!((data.uid(), data.mode() & 0o777), (owner, 0o600));
    // Another daemon is told who has it.
    let mut other = stage.stub_host().named("other").socket(&socket).doomed()?;
    other.ended(LIMIT).await?;
    let said = fs::read_to_string(stage.directory().join("other.log"))?;
    assert!(said.contains("another daemon listens"), "{said}");
    host.stop().await
}

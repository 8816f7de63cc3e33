//! What a daemon finds at its start that died with the host's help: dead sockets, disks of nobody,
//! and numbers that are somebody else's by now.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process::{Child, Command},
};

use anyhow::{Context as _, ensure};
use kiln_tests::{Dice, Stage, Story, stories, until};
use serde_json::json;

use super::released::all_is_released;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        fifty_stale_sets_of_sockets_are_cleared_away,
        recycled_ids_and_foreign_groups_are_left_alone,
    ]
}

const SETS: usize = 50;
const STRANGERS: usize = 20;
const SOCKETS: &[&str] = &["vsock.sock", "shim.sock", "vmm.sock", "qmp.sock", "vhost-user.sock"];

/// Looks like a job's.
fn id(dice: &mut Dice) -> String {
    let letters = b"0123456789abcdefghjkmnpqrstvwxyz";
    let rest = (0..22).map(|_| char::from(*dice.choose(letters)));
    "01jd".chars().chain(rest).collect()
}

/// A home that a daemon has used, and its instance.
async fn used_home(stage: &Stage) -> anyhow::Result<(PathBuf, String)> {
    let host = stage.stub_host().start().await?;
    let home = host.home().to_owned();
    let instance = fs::read_to_string(home.join("instance"))?.trim().to_owned();
    host.stop().await?;
    Ok((home, instance))
}

/// The directory of a VM, of whom the home is.
fn make(directory: &Path, home: &Path) -> anyhow::Result<()> {
    fs::create_dir(directory)?;
    give(directory, home)
}

fn give(path: &Path, home: &Path) -> anyhow::Result<()> {
    let home = fs::metadata(home)?;
    Ok(chown(path, Some(home.uid()), Some(home.gid()))?)
}

fn boot_id() -> anyhow::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The record of a supervisor, as a daemon of this release would have found it.
fn record(
    directory: &Path,
    instance: &str,
    boot: &str,
    pid: u32,
    start: u64,
) -> anyhow::Result<()> {
    let process = json!({ "pid": pid, "start_time": start });
    let record = json!({
        "major": 1, "minor": 0, "boot_id": boot, "instance": instance, "name": "n",
        "driver": "stub", "process": process,
        "children": [{ "name": "stub-guest", "process": process }], "cgroups": [],
    });
    Ok(fs::write(directory.join("shim.json"), record.to_string())?)
}

async fn fifty_stale_sets_of_sockets_are_cleared_away(stage: &Stage) -> anyhow::Result<()> {
    let (home, instance) = used_home(stage).await?;
    let mut dice = Dice::new(3);
    let boot = boot_id()?;
    for number in 0..SETS {
        let directory = home.join("vms").join(id(&mut dice));
        make(&directory, &home)?;
        for socket in SOCKETS.iter().take(1 + number % SOCKETS.len()) {
            // Closed, and there still.
            drop(UnixListener::bind(directory.join(socket))?);
            give(&directory.join(socket), &home)?;
        }
        match number % 4 {
            0 => {}
            1 => fs::write(directory.join("scratch"), vec![0; 1 << 20])?,
            // Ended long ago: no process has this number at this time.
            2 => record(&directory, &instance, &boot, 4_000_000, 1)?,
            _ => record(&directory, &instance, "an earlier boot", 1, 1)?,
        }
    }
    let host = stage.stub_host().start().await?;
    until("all of it is gone", std::time::Duration::from_secs(30), async || {
        Ok((fs::read_dir(home.join("vms"))?.count() == 0).then_some(()))
    })
    .await?;
    let ended = host.kiln(["run", "--disk", "64M", "--", "echo", "as before"]).run().await?;
    assert_eq!(ended.stdout_text(), "as before\n", "{ended}");
    all_is_released(&host).await?;
    host.stop().await
}

/// Killed and reaped when it is dropped.
struct Stranger(Child);

impl Stranger {
    fn new() -> anyhow::Result<Self> {
        Ok(Self(Command::new("sleep").arg("3600").spawn()?))
    }

    fn start_time(&self) -> anyhow::Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields = stat.rsplit_once(')').context("a strange process")?.1;
        Ok(fields.split_whitespace().nth(19).context("no start time")?.parse()?)
    }

    fn is_alive(&mut self) -> anyhow::Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        while matches!(self.0.try_wait(), Ok(None)) {
            std::thread::yield_now();
        }
    }
}

/// A control group of somebody else's that is named like ours; removed when it is dropped.
struct ForeignGroup(PathBuf);

impl ForeignGroup {
    fn new(name: &str) -> anyhow::Result<Self> {
        let hierarchy = Path::new("/sys/fs/cgroup/memory");
        let above = if hierarchy.exists() { hierarchy } else { Path::new("/sys/fs/cgroup") };
        let path = above.join(name);
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for ForeignGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

async fn recycled_ids_and_foreign_groups_are_left_alone(stage: &Stage) -> anyhow::Result<()> {
    let (home, instance) = used_home(stage).await?;
    let mut dice = Dice::new(4);
    let boot = boot_id()?;
    let mut strangers = Vec::new();
    for number in 0..STRANGERS {
        let stranger = Stranger::new()?;
        let directory = home.join("vms").join(id(&mut dice));
        make(&directory, &home)?;
        let (pid, start) = (stranger.0.id(), stranger.start_time()?);
        match number % 4 {
            // The number was given again: it began at another time.
            0 => record(&directory, &instance, &boot, pid, start - 1)?,
            // Of another boot, where the same number began at the same tick.
            1 => record(&directory, &instance, "another-boot", pid, start)?,
            // Of another home's, that somebody moved here.
            2 => record(&directory, "feedbeef", &boot, pid, start)?,
            // Torn.
            _ => fs::write(directory.join("shim.json"), format!("{{\"pid\": {pid}"))?,
        }
        strangers.push(stranger);
    }
    let groups = [
        ForeignGroup::new(&format!("kiln-{instance}0"))?,
        ForeignGroup::new("kiln-feedbeef")?,
        ForeignGroup::new(&format!("other-kiln-{instance}"))?,
    ];
    let host = stage.stub_host().start().await?;
    let ended = host.kiln(["run", "--disk", "64M", "--", "echo", "as before"]).run().await?;
    assert_eq!(ended.stdout_text(), "as before\n", "{ended}");
    host.kill().await?;
    let host = stage.stub_host().start().await?;
    host.client().host().await?;
    for stranger in &mut strangers {
        ensure!(stranger.is_alive()?, "a stranger's process was killed");
    }
    for group in &groups {
        ensure!(group.0.exists(), "{} was removed", group.0.display());
    }
    // Its VMs' directories may stay, where it cannot be proven whose they are; not its groups.
    drop((strangers, groups));
    host.stop_leaving_directories().await
}

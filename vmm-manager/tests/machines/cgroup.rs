//! A machine's cgroup, on the host's own hierarchies. Only root may make any: for others there is
//! nothing to see but that.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use kiln_shim::ProcessIdentity;
use kiln_vmm_manager::{
    host::cgroup::{Cgroup, CgroupError, CgroupLimits, Cgroups, RemoveError},
    vmm::{
        Reaped, reap,
        supervisor::{Found, Supervision},
    },
};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use crate::stage::{
    DRIVER, INSTANCE, Stage, gone as ended, runs, shell, signal, sleepers, until, within,
};

pub(crate) const LIMITS: CgroupLimits = CgroupLimits { memory_bytes: 64 << 20, pids: 32, cpus: 1 };
const LIMIT: Duration = Duration::from_secs(10);

/// Of a home that no other test has.
pub(crate) fn cgroups(instance: &str) -> Option<Cgroups> {
    if !rustix::process::geteuid().is_root() {
        assert!(Cgroups::detect(instance).is_err());
        return None;
    }
    let cgroups = Cgroups::detect(instance).unwrap();
    // Of a run that was broken off.
    for job in cgroups.leftovers().unwrap() {
        for directory in cgroups.open(&job).unwrap().directories() {
            let _never_made = fs::remove_dir(directory);
        }
    }
    Some(cgroups)
}

fn gone(cgroup: &Cgroup) {
    let left: Vec<&PathBuf> = cgroup.directories().iter().filter(|path| path.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
}

pub(crate) async fn a_cgroup_limits_and_counts() {
    let Some(cgroups) = cgroups(INSTANCE) else { return };
    let cgroup = cgroups.create("job", LIMITS).unwrap();
    assert!(matches!(cgroups.create("job", LIMITS), Err(CgroupError::Exists { .. })));
    assert_eq!(cgroup.memory_limit_bytes(), Some(LIMITS.memory_bytes));
    let stage = Stage::new();
    let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; exec sleep 1000";
    let programs = vec![shell("bridge", "exec sleep 1000"), shell("vmm", busy)];
    let spec = stage.spec(programs, Some(cgroup.clone()));
    let machine = Supervision::create(&stage.shim, spec).await.unwrap();
    let mut children: Vec<u32> = machine.children().iter().map(|child| child.process.pid).collect();
    children.sort_unstable();
    assert_eq!(cgroup.processes(), children);
    within(async { while machine.serial().await.bytes != b"done\n" {} }).await;
    machine.leave();
    // It is known to the next daemon, too.
    let machine = crate::adopt::adopted(&stage).await;
    let usage = machine.usage().unwrap();
    assert!(usage.memory_peak_bytes > 0 && usage.memory_peak_bytes <= LIMITS.memory_bytes);
    assert!(usage.cpu_time > Duration::from_millis(1), "{usage:?}");
    assert_eq!(usage.oom_kills, 0);
    within(machine.kill()).await;
    // What was used is still known.
    let after = machine.usage().unwrap();
    assert!(after.memory_peak_bytes >= usage.memory_peak_bytes && after.cpu_time >= usage.cpu_time);
    cgroup.remove(LIMIT).await.unwrap();
    gone(&cgroup);
    cgroup.remove(LIMIT).await.unwrap();
    cgroups.release();
}

pub(crate) async fn names_lead_nowhere_else() {
    for instance in ["", "..", "a/b", "x y"] {
        assert!(Cgroups::detect(instance).is_err(), "{instance}");
    }
    let Some(cgroups) = cgroups("7e570002") else { return };
    for job in ["", ".", "..", "../other", "a/b", "memory.max", "tasks\n"] {
        assert!(matches!(cgroups.create(job, LIMITS), Err(CgroupError::Name { .. })), "{job}");
        assert!(cgroups.open(job).is_none());
    }
    // What a record claims is believed only under our own names.
    for directory in ["/sys/fs/cgroup/memory/other/job", "/", "kiln-7e570002/job", "/kiln-7e570002"]
    {
        assert_eq!(Cgroup::recorded(&[directory.into()], "7e570002"), None, "{directory}");
    }
    assert_eq!(Cgroup::recorded(&[], "7e570002"), None);
    let ours = [PathBuf::from("/sys/fs/cgroup/memory/kiln-7e570002/job")];
    assert!(Cgroup::recorded(&ours, "7e570002").is_some());
    assert!(Cgroup::recorded(&ours, "7e570003").is_none());
    cgroups.release();
}

pub(crate) async fn what_lives_in_one_is_left_alone() {
    let Some(cgroups) = cgroups("7e570003") else { return };
    let cgroup = cgroups.create("job", LIMITS).unwrap();
    let mut stranger = Command::new("/bin/sleep").arg("1000").spawn().unwrap();
    for directory in cgroup.directories() {
        fs::write(directory.join("cgroup.procs"), stranger.id().to_string()).unwrap();
    }
    match cgroup.remove(Duration::from_millis(100)).await {
        Err(RemoveError::Busy { processes, .. }) => assert_eq!(processes, [stranger.id()]),
        other => panic!("{other:?}"),
    }
    assert!(stranger.try_wait().unwrap().is_none());
    // It goes as soon as they have.
    let removed = cgroup.remove(LIMIT);
    let ended = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stranger.kill().unwrap();
        let pid = Pid::from_raw(stranger.id().cast_signed()).unwrap();
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).unwrap();
    };
    tokio::join!(removed, ended).0.unwrap();
    gone(&cgroup);
    cgroups.release();
}

/// A machine whose program has made another one, which does not die with it.
async fn with_a_grandchild(stage: &Stage, cgroup: &Cgroup) -> (Supervision, ProcessIdentity) {
    let programs = vec![shell("vmm", "sleep 1000 & echo $!; exec sleep 1000")];
    let spec = stage.spec(programs, Some(cgroup.clone()));
    let machine = Supervision::create(&stage.shim, spec).await.unwrap();
    let said = within(async {
        loop {
            let said = machine.serial().await.bytes;
            if said.ends_with(b"\n") {
                return said;
            }
        }
    });
    let pid = String::from_utf8(said.await).unwrap().trim().parse().unwrap();
    (machine, ProcessIdentity::of(pid).unwrap())
}

pub(crate) async fn what_a_program_made_goes_with_its_supervisor() {
    let Some(cgroups) = cgroups("7e570007") else { return };
    let instance = "7e570007";
    let cgroup = cgroups.create("job", LIMITS).unwrap();
    let stage = Stage::of(instance);
    // Under a daemon that watches.
    let (machine, made) = with_a_grandchild(&stage, &cgroup).await;
    signal(machine.supervisor_pid(), Signal::KILL);
    within(machine.wait()).await;
    ended(&[made]).await;
    // Before one comes that adopts, and before one that removes it.
    for adopts in [true, false] {
        let (machine, made) = with_a_grandchild(&stage, &cgroup).await;
        let supervisor = ProcessIdentity::of(machine.supervisor_pid()).unwrap();
        machine.leave();
        signal(supervisor.pid, Signal::KILL);
        ended(&[supervisor]).await;
        assert!(runs(made));
        if adopts {
            let found = within(Supervision::adopt(&stage.directory(), instance, DRIVER)).await;
            assert!(matches!(found, Ok(Found::Ended(_))), "{found:?}");
        } else {
            let reaped = within(reap(&stage.directory(), instance)).await.unwrap();
            assert_eq!(reaped, Reaped::Ended);
        }
        ended(&[made]).await;
    }
    cgroup.remove(LIMIT).await.unwrap();
    cgroups.release();
}

pub(crate) async fn who_was_there_before_the_supervisor_is_left_alone() {
    let Some(cgroups) = cgroups("7e570008") else { return };
    let instance = "7e570008";
    let cgroup = cgroups.create("job", LIMITS).unwrap();
    let mut stranger = Command::new("/bin/sleep").arg("1000").spawn().unwrap();
    for directory in cgroup.directories() {
        fs::write(directory.join("cgroup.procs"), stranger.id().to_string()).unwrap();
    }
    // The kernel counts starts in hundredths of a second.
    tokio::time::sleep(Duration::from_millis(30)).await;
    let stage = Stage::of(instance);
    let (machine, made) = with_a_grandchild(&stage, &cgroup).await;
    signal(machine.supervisor_pid(), Signal::KILL);
    within(machine.wait()).await;
    ended(&[made]).await;
    assert!(stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    let pid = Pid::from_raw(stranger.id().cast_signed()).unwrap();
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).unwrap();
    cgroup.remove(LIMIT).await.unwrap();
    cgroups.release();
}

pub(crate) async fn leftovers_are_named() {
    let (Some(ours), Some(theirs)) = (cgroups("7e570004"), cgroups("7e570005")) else { return };
    let made = [ours.create("a", LIMITS).unwrap(), ours.create("b", LIMITS).unwrap()];
    let foreign = theirs.create("c", LIMITS).unwrap();
    assert_eq!(ours.leftovers().unwrap(), ["a", "b"]);
    // One of which only a part was removed.
    fs::remove_dir(&made[0].directories()[0]).unwrap();
    let again = Cgroups::detect("7e570004").unwrap();
    if made[0].directories().len() > 1 {
        assert_eq!(again.leftovers().unwrap(), ["a", "b"]);
    }
    for job in again.leftovers().unwrap() {
        again.open(&job).unwrap().remove(LIMIT).await.unwrap();
    }
    assert_eq!(again.leftovers().unwrap(), Vec::<String>::new());
    assert!(foreign.directories().iter().all(|path| path.is_dir()));
    foreign.remove(LIMIT).await.unwrap();
    ours.release();
    theirs.release();
}

pub(crate) async fn a_hierarchy_that_cannot_be_used_says_why() {
    let Some(cgroups) = cgroups("7e570006") else { return };
    let cgroup = cgroups.create("job", LIMITS).unwrap();
    cgroup.remove(LIMIT).await.unwrap();
    // A machine whose cgroup is gone does not start outside of one.
    let stage = Stage::new();
    let spec = stage.spec(sleepers(), Some(cgroup));
    let error = Supervision::create(&stage.shim, spec).await.unwrap_err();
    assert!(error.to_string().contains("the cgroup"), "{error}");
    until(|| (!crate::stage::exists(&stage.directory().join("shim.json"))).then_some(())).await;
    cgroups.release();
}

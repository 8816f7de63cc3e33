//! The guest that a command finds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kiln_tests::{Stage, Story, stories};

use super::{give_back, lent};

pub(super) fn stories() -> Vec<Story> {
    stories![
        the_hello_says_who_answers,
        the_clock_is_the_hosts,
        it_has_its_own_name_and_randomness,
        process_1_sits_in_a_leaf,
        the_root_is_an_overlay_on_the_golden_one,
        there_is_no_network,
    ]
}

async fn the_hello_says_who_answers(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let printed = vm.sh("uname -r").await?.printed()?;
    assert_eq!(printed.trim(), vm.hello.kernel_release);
    assert!(!vm.hello.agent_version.is_empty());
    assert!(!vm.hello.boot_steps.is_empty());
    let times: Vec<Duration> =
        vm.hello.boot_steps.iter().map(|step| step.since_kernel_start).collect();
    assert!(times.is_sorted(), "{:?}", vm.hello.boot_steps);
    give_back(vm).await
}

async fn the_clock_is_the_hosts(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let before = now();
    let guest: f64 = vm.sh("date +%s.%N").await?.printed()?.trim().parse()?;
    let after = now();
    assert!((before - 2.0..after + 2.0).contains(&guest), "{guest}, between {before} and {after}");
    give_back(vm).await
}

async fn it_has_its_own_name_and_randomness(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    assert_eq!(
        vm.sh("hostname; cat /etc/hostname").await?.printed()?.lines().next(),
        Some("kiln-story")
    );
    // Would wait, and fail here, if the kernel held its generator unready.
    let script = "for i in 1 2 3; do head -c 16 /dev/random | od -An -tx1; done";
    let printed = vm.sh(script).await?.printed()?;
    let mut lines: Vec<&str> = printed.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 3, "{printed}");
    assert!(lines.iter().all(|line| line.len() == 48), "{printed}");
    give_back(vm).await
}

/// Controllers can be enabled only where no process sits.
async fn process_1_sits_in_a_leaf(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    // The kernel's own threads have no arguments, and stay where they are.
    let script = "cd /sys/fs/cgroup && cat cgroup.subtree_control
        for id in $(cat cgroup.procs); do cat /proc/$id/cmdline 2>/dev/null; done | wc -c
        cd ./$(sed -n 's/^0:://p' /proc/1/cgroup) && pwd && find . -mindepth 1 -type d | wc -l";
    let printed = vm.sh(script).await?.printed()?;
    let [controllers, processes, leaf, children] = printed.lines().collect::<Vec<_>>()[..] else {
        panic!("{printed}");
    };
    assert!(["memory", "pids"].iter().all(|name| controllers.contains(name)), "{printed}");
    assert_ne!(leaf.trim_end_matches('/'), "/sys/fs/cgroup", "process 1 sits in the root");
    assert_eq!((processes, children), ("0", "0"), "{printed}");
    let script = "ls -l /proc/1/exe >&2; cat /proc/self/cgroup; cat /proc/1/cgroup";
    let printed = vm.sh(script).await?.printed()?;
    let mut groups = printed.lines();
    assert_ne!(groups.next(), groups.next(), "a command shares the agent's cgroup");
    give_back(vm).await
}

async fn the_root_is_an_overlay_on_the_golden_one(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let script = "stat -f -c %T /; cat /sys/block/vda/ro; stat -c %a /tmp; stat -f -c %T /proc /sys
        test -c /dev/null && test -d /dev/pts && test -d /dev/shm && echo devices
        echo kept > /etc/kept && cat /etc/kept && rm /etc/kept";
    let printed = vm.sh(script).await?.printed()?;
    assert_eq!(printed, "overlayfs\n1\n1777\nproc\nsysfs\ndevices\nkept\n");
    give_back(vm).await
}

async fn there_is_no_network(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    assert_eq!(vm.sh("ls /sys/class/net").await?.printed()?, "lo\n");
    give_back(vm).await
}

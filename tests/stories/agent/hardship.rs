//! What a command can do to its guest, and the agent must live through.

use std::time::Duration;

use kiln_tests::{Stage, Story, stories};
use kiln_vmm_manager::guest::ExecStatus;

use super::{give_back, lent};

pub(super) fn stories() -> Vec<Story> {
    stories![
        out_of_memory_is_told_apart_from_a_kill,
        the_peak_of_memory_is_measured,
        a_fork_bomb_stays_in_its_limits,
        a_full_disk_is_told_and_survived,
        a_disk_without_inodes_is_told_and_survived,
        hundreds_of_commands_leave_nothing_behind,
    ]
}

async fn out_of_memory_is_told_apart_from_a_kill(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let limit = 16 << 20;
    let exit = vm.command(["tail", "/dev/zero"]).memory_bytes(limit).run().await?.exit;
    assert!(exit.out_of_memory && exit.status == ExecStatus::Signal(9), "{exit:?}");
    // The whole command goes, not only the process that the kernel chose.
    let script = "tail /dev/zero; echo survived";
    let ran = vm.command(["sh", "-c", script]).memory_bytes(limit).run().await?;
    assert!(ran.exit.out_of_memory && ran.stdout.is_empty(), "{ran:?}");
    let script = "kill -KILL $$";
    let exit = vm.command(["sh", "-c", script]).memory_bytes(limit).run().await?.exit;
    assert!(!exit.out_of_memory && exit.status == ExecStatus::Signal(9), "{exit:?}");
    // One that takes a file's pages for its limit is not out of memory.
    let script = "head -c 40M /dev/zero > /tmp/big && cat /tmp/big > /dev/null; rm /tmp/big";
    let ran = vm.command(["sh", "-c", script]).memory_bytes(limit).run().await?;
    assert!(!ran.exit.out_of_memory, "{:?}", ran.exit);
    ran.printed()?;
    give_back(vm).await
}

async fn the_peak_of_memory_is_measured(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let small = vm.command(["true"]).run().await?.exit.memory_peak_bytes;
    assert!((1..16 << 20).contains(&small), "{small}");
    let script = "head -c 80M /dev/zero | tail -c 80M | wc -c";
    let large = vm.sh(script).await?.exit.memory_peak_bytes;
    assert!((80 << 20..160 << 20).contains(&large), "{large}");
    give_back(vm).await
}

async fn a_fork_bomb_stays_in_its_limits(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    for pids in [64, 0] {
        let bomb = "b() { b | b & }; b; sleep 86400";
        let limit = Duration::from_secs(5);
        let ran = vm.command(["bash", "-c", bomb]).pids(pids).timeout(limit).run().await?;
        assert!(ran.exit.timed_out || ran.exit.status != ExecStatus::Code(0), "{:?}", ran.exit);
        assert_eq!(ran.exit.unkillable, 0, "{:?}", ran.exit);
        let left = vm.sh("cat /proc/[0-9]*/comm 2>/dev/null | grep -c '^bash$'; true").await?;
        assert_eq!(left.printed()?, "0\n", "something of the bomb is left");
    }
    give_back(vm).await
}

async fn a_full_disk_is_told_and_survived(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let exit = vm.sh("cat /dev/zero > /root/fill").await?.exit;
    assert_eq!(exit.status, ExecStatus::Code(1));
    let full = exit.disk_full.expect("a full disk");
    assert!((32 << 20..=64 << 20).contains(&full.size_bytes) && !full.inodes, "{full:?}");
    // Nothing else fits, and yet the next command runs.
    assert_eq!(vm.sh("echo still here").await?.printed()?, "still here\n");
    vm.sh("rm /root/fill").await?.printed()?;
    let ran = vm.sh("echo room > /root/room && rm /root/room").await?;
    ran.printed()?;
    assert_eq!(ran.exit.disk_full, None, "a disk that has room again");
    give_back(vm).await
}

async fn a_disk_without_inodes_is_told_and_survived(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    // Beside the overlay, which makes a file in many times the steps.
    let script = "mkdir -p /mnt/scratch && mount /dev/vdb /mnt/scratch && \
                  mkdir /mnt/scratch/many && cd /mnt/scratch/many && seq 20000 | xargs touch";
    let exit = vm.sh(script).await?.exit;
    assert_ne!(exit.status, ExecStatus::Code(0));
    let full = exit.disk_full.expect("a full disk");
    assert!(full.inodes, "{full:?}");
    let script =
        "rm -rf /mnt/scratch/many && umount /mnt/scratch && touch /root/one && rm /root/one";
    vm.sh(script).await?.printed()?;
    give_back(vm).await
}

async fn hundreds_of_commands_leave_nothing_behind(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let count = if stage.settings().full { 1000 } else { 200 };
    let state = "find /sys/fs/cgroup -type d | wc -l; ls /proc/1/fd | wc -l";
    let before = vm.sh(state).await?.printed()?;
    for _ in 0..count {
        vm.command(["true"]).run().await?.printed()?;
    }
    assert_eq!(vm.sh(state).await?.printed()?, before, "cgroups, descriptors of process 1");
    give_back(vm).await
}

//! What a running machine is given and takes, as its guest sees it.

use std::{fs, time::Duration};

use kiln_tests::{Stage, Story, Vm, noise, stories, until};
use kiln_vmm_manager::{
    guest::Online,
    vmm::{Disk, MachineStatus, Size},
};

/// For the guest to learn of what its machine got.
const LIMIT: Duration = Duration::from_secs(60);
const BLOCK_BYTES: u64 = 128 << 20;
const MEMORY_BYTES: u64 = 512 << 20;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        processors_and_memory_are_taken_into_use.only_nested(),
        a_disk_comes_and_goes.only_nested(),
        a_guest_that_was_held_still_goes_on.only_nested(),
        a_guest_goes_on_where_its_snapshot_was_taken.only_nested(),
    ]
}

async fn processors_and_memory_are_taken_into_use(stage: &Stage) -> anyhow::Result<()> {
    const READ: &str = "nproc; while read name kib unit; do [ $name = MemTotal: ] && echo $kib; \
                        done < /proc/meminfo; true";
    let vm = Vm::boot(stage.settings()).await?;
    let read = async || -> anyhow::Result<Vec<u64>> {
        let printed = vm.sh(READ).await?.printed()?;
        Ok(printed.lines().map(str::parse).collect::<Result<_, _>>()?)
    };
    let before = vm.guest().online(LIMIT).await?;
    assert_eq!(before.cpus, 1, "{before:?}");
    // Asking changes nothing where nothing was added.
    assert_eq!(vm.guest().online(LIMIT).await?, before);
    let had = read().await?;

    let grown = Size { cpus: 2, memory_bytes: MEMORY_BYTES + 2 * BLOCK_BYTES };
    vm.machine().resize(grown).await?;
    let expected = Online { cpus: 2, memory_bytes: before.memory_bytes + 2 * BLOCK_BYTES };
    let mut online = before;
    let taken = until("what was added is in use", LIMIT, async || {
        online = vm.guest().online(LIMIT).await?;
        Ok((online == expected).then_some(()))
    });
    taken.await.map_err(|error| error.context(format!("{online:?}")))?;
    let has = read().await?;
    assert_eq!((had[0], has[0]), (1, 2), "{had:?} {has:?}");
    // The kernel takes a little of it to keep account of the rest.
    assert!(has[1] - had[1] > 2 * (BLOCK_BYTES >> 10) * 9 / 10, "{had:?} {has:?}");
    let refused = vm.machine().resize(Size { cpus: 1000, ..grown }).await;
    assert!(refused.is_err(), "a thousand processors");
    assert_eq!(vm.guest().online(LIMIT).await?, expected);
    vm.end().await.map(drop)
}

async fn a_disk_comes_and_goes(stage: &Stage) -> anyhow::Result<()> {
    const SERIAL: &str = "kiln-extra";
    let vm = Vm::boot(stage.settings()).await?;
    let path = vm.directory().join("plug/extra.raw");
    let bytes = noise(3, 1 << 20);
    fs::write(&path, &bytes)?;
    let find = format!("grep -lx {SERIAL} /sys/block/*/serial");
    let disk = Disk { serial: SERIAL.into(), path: path.clone(), read_only: false };
    vm.machine().add_disk(disk.clone()).await?;
    let name = until("the guest sees the disk", LIMIT, async || {
        let found = String::from_utf8(vm.sh(&find).await?.stdout)?;
        Ok(found.split('/').nth(3).map(str::to_owned))
    })
    .await?;
    let script = format!(
        "sha256sum < /dev/{name}; printf written | dd of=/dev/{name} conv=notrunc,fsync 2>/dev/null"
    );
    let printed = vm.sh(&script).await?.printed()?;
    assert_eq!(printed, format!("{}  -\n", kiln_tests::digest(&bytes)));
    assert!(fs::read(&path)?.starts_with(b"written"));
    let again = vm.machine().add_disk(disk).await;
    assert!(again.is_err(), "the same disk twice");
    vm.machine().remove_device(SERIAL).await?;
    let left = vm.sh(&find).await?.stdout;
    assert!(left.is_empty(), "{:?}", String::from_utf8_lossy(&left));
    let again = vm.machine().remove_device(SERIAL).await;
    assert!(again.is_err(), "the same disk was taken twice");
    vm.end().await.map(drop)
}

async fn a_guest_that_was_held_still_goes_on(stage: &Stage) -> anyhow::Result<()> {
    let vm = Vm::boot(stage.settings()).await?;
    vm.sh("while :; do echo >> /run/turns; sleep 0.02; done > /dev/null 2>&1 &")
        .await?
        .printed()?;
    vm.machine().pause().await?;
    assert_eq!(vm.machine().status().await, MachineStatus::Stalled("paused".to_owned()));
    vm.machine().resume().await?;
    assert_eq!(vm.machine().status().await, MachineStatus::Running);
    assert_eq!(vm.sh("echo still here").await?.printed()?, "still here\n");
    vm.end().await.map(drop)
}

/// Memory, what is written and not yet on the disk, and the agent, which knows its host again.
async fn a_guest_goes_on_where_its_snapshot_was_taken(stage: &Stage) -> anyhow::Result<()> {
    let vm = Vm::boot(stage.settings()).await?;
    vm.sh("cat /proc/sys/kernel/random/boot_id > /run/boot; echo kept > /root/kept")
        .await?
        .printed()?;
    let boot = vm.sh("cat /run/boot").await?.printed()?;
    let vm = vm.moved().await?;
    let script = "cat /run/boot /proc/sys/kernel/random/boot_id /root/kept";
    assert_eq!(vm.sh(script).await?.printed()?, format!("{boot}{boot}kept\n"));
    vm.shut_down().await
}

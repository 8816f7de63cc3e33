//! The end of a guest.

use std::time::Duration;

use kiln_tests::{Stage, Story, Vm, stories};
use kiln_vmm_manager::guest::ExecEvent;

use super::lent;

pub(super) fn stories() -> Vec<Story> {
    stories![
        the_power_button_ends_it.nested(),
        a_guest_that_panics_is_told_apart.nested(),
        an_unkillable_child_is_outlived,
    ]
}

async fn the_power_button_ends_it(stage: &Stage) -> anyhow::Result<()> {
    let vm = Vm::boot(stage.settings()).await?;
    let script = "trap '' TERM; echo up; while :; do sleep 1; done";
    let (_input, mut output) = vm.command(["sh", "-c", script]).start().await?;
    while !matches!(output.next().await?, ExecEvent::Stdout(_)) {}
    vm.press_power_button().await
}

async fn a_guest_that_panics_is_told_apart(stage: &Stage) -> anyhow::Result<()> {
    let vm = Vm::boot(stage.settings()).await?;
    let script = "echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger; sleep 600";
    let (_input, mut output) = vm.command(["sh", "-c", script]).start().await?;
    let error = loop {
        match output.next().await {
            Ok(ExecEvent::Exited(exit)) => panic!("a kernel that panicked told of {exit:?}"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let error = error.explained_by(vm.machine(), Duration::from_secs(60)).await.to_string();
    assert!(error.contains("reset itself"), "{error}");
    let console = vm.machine().serial().await.text();
    assert!(
        console.contains("sysrq triggered crash"),
        "the console's words are missing: {console}"
    );
    drop(output);
    vm.end().await.map(drop)
}

/// The file system below the root is frozen, so the child cannot die; nor can anything be written.
async fn an_unkillable_child_is_outlived(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let script = "mkdir -p /run/frozen && mount /dev/vdb /run/frozen
        fsfreeze -f /run/frozen && echo frozen && echo x > /run/frozen/file";
    let limit = Duration::from_secs(3);
    let ran = vm.command(["sh", "-c", script]).timeout(limit).run().await?;
    assert_eq!(ran.stdout, b"frozen\n", "{ran:?}");
    assert!(ran.exit.timed_out, "{:?}", ran.exit);
    assert_ne!(ran.exit.unkillable, 0, "{:?}", ran.exit);
    assert_eq!(vm.sh("echo still here").await?.printed()?, "still here\n");
    vm.shut_down().await
}

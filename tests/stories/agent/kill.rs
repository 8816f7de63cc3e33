//! How a command ends before its time, and all that it started with it.

use std::time::Duration;

use kiln_tests::{Stage, Story, Vm, stories, until};
use kiln_vmm_manager::guest::{ExecEvent, ExecStatus};

use super::{give_back, lent, stream};

pub(super) fn stories() -> Vec<Story> {
    stories![
        signals_reach_the_commands_own_process,
        a_signal_that_ends_it_is_told,
        its_time_limit_ends_all_of_it,
        kill_ends_all_of_it,
        a_stream_that_is_dropped_ends_all_of_it,
        what_it_left_running_ends_with_it,
        orphans_are_reaped,
    ]
}

const SLEEPER: &str = "(trap '' TERM HUP INT; exec setsid sleep 86400) &";

/// Processes that were started by [`SLEEPER`].
async fn sleepers(vm: &Vm) -> anyhow::Result<usize> {
    let script =
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c '^8640[0]$'; true";
    Ok(vm.sh(script).await?.printed()?.trim().parse()?)
}

async fn signals_reach_the_commands_own_process(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let script = "trap 'echo usr1' USR1; trap 'echo term; exit 5' TERM; echo ready
        while :; do sleep 0.1; done";
    let (input, mut output) = vm.command(["sh", "-c", script]).start().await?;
    let mut said = Vec::new();
    let code = loop {
        match output.next().await? {
            ExecEvent::Stdout(bytes) => {
                said.extend_from_slice(&bytes);
                if said.ends_with(b"ready\n") {
                    input.signal(10).await?;
                } else if said.ends_with(b"usr1\n") {
                    input.signal(15).await?;
                }
            }
            ExecEvent::Exited(exit) => break exit.status,
            _ => {}
        }
    };
    assert_eq!(String::from_utf8(said)?, "ready\nusr1\nterm\n");
    assert_eq!(code, ExecStatus::Code(5));
    give_back(vm).await
}

async fn a_signal_that_ends_it_is_told(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    for (name, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11)] {
        let exit = vm.sh(&format!("kill -{name} $$")).await?.exit;
        assert_eq!(exit.status, ExecStatus::Signal(number));
        assert!(!exit.out_of_memory && !exit.timed_out, "{exit:?}");
    }
    give_back(vm).await
}

async fn its_time_limit_ends_all_of_it(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let script = format!("{SLEEPER} trap '' TERM; echo up; while :; do sleep 1; done");
    let limit = Duration::from_secs(3);
    let ran = vm.command(["sh", "-c", &script]).timeout(limit).run().await?;
    assert!(ran.exit.timed_out, "{:?}", ran.exit);
    assert!(!ran.exit.out_of_memory && ran.exit.duration >= limit, "{:?}", ran.exit);
    assert_eq!(ran.stdout, b"up\n");
    assert_eq!(sleepers(&vm).await?, 0);
    let ran = vm.command(["true"]).timeout(Duration::from_secs(60)).run().await?;
    assert!(!ran.exit.timed_out);
    give_back(vm).await
}

async fn kill_ends_all_of_it(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let script = format!("{SLEEPER} trap '' TERM; echo up; while :; do sleep 1; done");
    let (input, mut output) = vm.command(["sh", "-c", &script]).start().await?;
    let status = loop {
        match output.next().await? {
            ExecEvent::Stdout(_) => input.kill().await?,
            ExecEvent::Exited(exit) => break exit.status,
            _ => {}
        }
    };
    assert_eq!(status, ExecStatus::Signal(9));
    assert_eq!(sleepers(&vm).await?, 0);
    give_back(vm).await
}

async fn a_stream_that_is_dropped_ends_all_of_it(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let script = format!("{SLEEPER} trap '' TERM; echo up; while :; do sleep 1; done");
    let (input, mut output) = vm.command(["sh", "-c", &script]).start().await?;
    while !matches!(output.next().await?, ExecEvent::Stdout(_)) {}
    until("the sleeper sleeps", Duration::from_secs(60), async || {
        Ok((sleepers(&vm).await? == 1).then_some(()))
    })
    .await?;
    drop((input, output));
    until("nothing of the command is left", Duration::from_secs(60), async || {
        Ok((sleepers(&vm).await? == 0).then_some(()))
    })
    .await?;
    give_back(vm).await
}

/// Nor do they hold its end up, though they hold its stdout.
async fn what_it_left_running_ends_with_it(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let script = format!("{SLEEPER} echo bye; exit 4");
    let (_input, mut output) = vm.command(["sh", "-c", &script]).start().await?;
    assert_eq!(stream::all(&mut output).await?, ("bye\n".to_owned(), 4));
    assert_eq!(sleepers(&vm).await?, 0);
    give_back(vm).await
}

async fn orphans_are_reaped(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let script = "for i in $(seq 50); do (setsid true & setsid sleep 0.2 &); done; sleep 1
        cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -c '^Z'; true";
    let ran = vm.sh(script).await?;
    assert_eq!(ran.printed()?, "0\n", "zombies are left");
    let ran =
        vm.sh("cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -c '^Z'; true").await?;
    assert_eq!(ran.printed()?, "0\n", "zombies are left");
    give_back(vm).await
}

//! What goes into a command, and what comes out of it.

use std::time::Duration;

use kiln_tests::{Counting, Stage, Story, digest, noise, stories, until};
use kiln_vmm_manager::guest::{ExecEvent, ExecOutput, ExecStatus};

use super::{give_back, lent};

pub(super) fn stories() -> Vec<Story> {
    stories![
        two_mebibytes_go_in_intact,
        a_command_that_reads_little_is_no_trouble,
        without_stdin_there_is_the_end_at_once,
        the_streams_are_apart_and_binary,
        eight_mebibytes_come_out_intact,
        a_reader_who_waits_slows_the_command_down,
    ]
}

/// All of a command's stdout, and its exit code.
pub(super) async fn all(output: &mut ExecOutput) -> anyhow::Result<(String, i32)> {
    let mut stdout = Vec::new();
    loop {
        match output.next().await? {
            ExecEvent::Stdout(bytes) => stdout.extend_from_slice(&bytes),
            ExecEvent::Exited(exit) => match exit.status {
                ExecStatus::Code(code) => return Ok((String::from_utf8(stdout)?, code)),
                ExecStatus::Signal(signal) => anyhow::bail!("ended by signal {signal}"),
            },
            ExecEvent::Started { .. }
            | ExecEvent::Stderr(_)
            | ExecEvent::StdinTaken { .. }
            | ExecEvent::Up(_) => {}
            ExecEvent::Refused { message, .. } => anyhow::bail!("refused: {message}"),
        }
    }
}

async fn two_mebibytes_go_in_intact(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let bytes = noise(2, 2 << 20);
    let expected = format!("{}  -\n", digest(&bytes));
    assert_eq!(vm.command(["sha256sum"]).stdin(bytes).run().await?.printed()?, expected);
    give_back(vm).await
}

async fn a_command_that_reads_little_is_no_trouble(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let ran = vm.command(["head", "-c", "4"]).stdin(b"head".repeat(1 << 18)).run().await?;
    assert_eq!(ran.printed()?, "head");
    let ran = vm.command(["true"]).stdin(b"head".repeat(1 << 18)).run().await?;
    assert_eq!(ran.printed()?, "");
    give_back(vm).await
}

async fn without_stdin_there_is_the_end_at_once(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    assert_eq!(vm.command(["wc", "-c"]).run().await?.printed()?.trim(), "0");
    assert_eq!(vm.command(["wc", "-c"]).stdin("").run().await?.printed()?.trim(), "0");
    give_back(vm).await
}

async fn the_streams_are_apart_and_binary(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let ran = vm.sh(r"printf 'a\0\377'; printf 'b\0\376' >&2; printf 'c\n'; exit 3").await?;
    assert_eq!(ran.stdout, b"a\0\xffc\n");
    assert_eq!(ran.stderr, b"b\0\xfe");
    assert_eq!(ran.exit.status, ExecStatus::Code(3));
    give_back(vm).await
}

async fn eight_mebibytes_come_out_intact(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let ran = vm.sh("seq 1 9999999 | head -c 8388608").await?;
    let mut counting = Counting::default();
    counting.check(&ran.stdout)?;
    assert_eq!(counting.seen(), 8 << 20);
    give_back(vm).await
}

/// What it has written stands in pipes and windows of known sizes; the agent's memory holds no more
/// than those, and goes on serving others.
async fn a_reader_who_waits_slows_the_command_down(stage: &Stage) -> anyhow::Result<()> {
    let vm = lent(stage).await?;
    let script = "while :; do echo >> /tmp/wrote; head -c 65536 /dev/zero; done";
    let (_input, output) = vm.command(["sh", "-c", script]).start().await?;
    let mut last = String::new();
    let wrote = until("it writes no more", Duration::from_secs(120), async || {
        let wrote = vm.sh("sleep 1; cat /tmp/wrote | wc -l").await?.printed()?;
        let stands = wrote == last && wrote.trim() != "0";
        last.clone_from(&wrote);
        Ok(stands.then_some(wrote))
    })
    .await?;
    let chunks: u64 = wrote.trim().parse()?;
    assert!(chunks < 256, "{chunks} × 64 KiB were written to nobody");
    drop(output);
    give_back(vm).await
}

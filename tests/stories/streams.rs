//! What goes in and comes out: all of it, in order, and none of it in the daemon's memory.

use std::time::{Duration, Instant};

use kiln_tests::{Counting, Stage, Story, digest, noise, stories, until};
use rustix::process::Signal;

const STDOUT_BYTES: u64 = 256 << 20;
const FLAT_BYTES: u64 = 8 << 20;
/// Of the flood's end, as it must be found in the log.
const TAIL_BYTES: usize = 1 << 20;
/// Of the neighbour, about a minute's worth.
const LINES: usize = 1000;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        stdin_arrives_intact.nested(),
        a_quarter_of_a_gibibyte_arrives_intact.limit(Duration::from_secs(900)),
        a_client_who_does_not_read_holds_the_command_back,
        the_two_streams_stay_apart.nested(),
        a_reader_who_is_gone_ends_the_job,
    ]
}

async fn stdin_arrives_intact(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let bytes = noise(1, 2 << 20);
    let expected = format!("{}  -\n", digest(&bytes));
    let ended = host.kiln(["run", "-i", "--", "sha256sum"]).stdin(bytes).run().await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(ended.stdout_text(), expected);
    host.stop().await
}

async fn a_quarter_of_a_gibibyte_arrives_intact(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    // The first job of a daemon pays for what every daemon has.
    let ended = host.kiln(["run", "--", "true"]).run().await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    host.vms_are_gone().await?;
    let peak = host.resident_peak()?;
    // It writes all the time that the other floods, and its every line is to arrive.
    let talk = format!("for line in $(seq 1 {LINES}); do echo line $line; sleep 0.05; done");
    let mut neighbour = host.kiln(["run", "--", "sh", "-c", &talk]).start()?;
    let first = neighbour.read().await?;
    let script = format!("seq 1 999999999 | head -c {STDOUT_BYTES}");
    let mut job = host.kiln(["run", "--", "sh", "-c", &script]).start()?;
    let mut counting = Counting::default();
    let mut tail = Vec::new();
    while let bytes = job.read().await?
        && !bytes.is_empty()
    {
        counting.check(&bytes)?;
        tail.extend_from_slice(&bytes);
        tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
    }
    let ended = job.finish().await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(counting.seen(), STDOUT_BYTES);
    let flood = host.newest_job().await?;
    let log = flood.log.expect("a log");
    assert_eq!(log.end_offset, STDOUT_BYTES);
    assert!(log.dropped_bytes > 0, "it is far above the log's quota");
    let mut heard = first;
    while let bytes = neighbour.read().await?
        && !bytes.is_empty()
    {
        heard.extend_from_slice(&bytes);
    }
    let ended = neighbour.finish().await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    let lines: String =
        (1..=LINES).map(|line| format!("line {line}\n")).collect::<Vec<_>>().concat();
    assert_eq!(String::from_utf8_lossy(&heard), lines);
    let growth = peak.growth()?;
    assert!(growth <= FLAT_BYTES, "kilnd grew by {growth} bytes");
    let kept = host.kiln(["job", "logs", &flood.id]).run().await?;
    assert!(kept.stdout.ends_with(&tail), "the end of the log is not the end of the output");
    host.stop().await
}

/// What was written stands in the log; then the command waits, and goes on when it is read again.
async fn a_client_who_does_not_read_holds_the_command_back(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let mut job = host.kiln(["run", "--", "seq", "1", "999999999"]).start()?;
    let mut counting = Counting::default();
    counting.check(&job.read().await?)?;
    let peak = host.resident_peak()?;
    let id = host.newest_job().await?.id;
    let mut stood = (0, Instant::now());
    let held = until("the command waits", Duration::from_secs(120), async || {
        let written = host.kiln(["job", "logs", &id]).run().await?.stdout.len();
        if written != stood.0 {
            stood = (written, Instant::now());
        }
        Ok((stood.1.elapsed() > Duration::from_secs(5)).then_some(written))
    })
    .await?;
    assert!(held < 16 << 20, "{held} bytes were written for nobody");
    while counting.seen() < held as u64 + (1 << 20) {
        counting.check(&job.read().await?)?;
    }
    let growth = peak.growth()?;
    assert!(growth <= FLAT_BYTES, "kilnd grew by {growth} bytes");
    job.signal(Signal::INT)?;
    job.finish().await?;
    host.vms_are_gone().await?;
    host.stop().await
}

async fn the_two_streams_stay_apart(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let script = "for i in 1 2 3 4; do echo out$i; echo err$i >&2; done";
    let ended = host.kiln(["run", "--quiet", "--", "sh", "-c", script]).run().await?;
    assert_eq!(ended.stdout_text(), "out1\nout2\nout3\nout4\n", "{ended}");
    assert_eq!(ended.stderr_text(), "err1\nerr2\nerr3\nerr4\n", "{ended}");
    host.stop().await
}

async fn a_reader_who_is_gone_ends_the_job(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let mut job = host.kiln(["run", "--", "yes"]).start()?;
    job.said("y\n").await?;
    job.stop_reading();
    let ended = job.finish().await?;
    assert_eq!(ended.code, Some(141), "{ended}");
    host.vms_are_gone().await?;
    host.stop().await
}

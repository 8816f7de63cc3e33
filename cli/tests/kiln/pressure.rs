//! Readers that are slow, stuck, or gone.

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Child,
};

use crate::{
    command::{ended, kiln},
    fake::{Fake, Step, completed, pattern},
};

const FLOOD: usize = 32 << 20;

/// In KiB, at its peak.
fn memory_of(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn a_slow_reader_slows_the_command_and_costs_no_memory() {
    let flood = pattern(1, FLOOD);
    let fake = Fake::running(vec![Step::Stdout(flood.clone())], completed);
    let mut child = kiln(&fake, &["run", "flood"]).spawn().unwrap();
    fake.sent_at_least(1).await;
    let sent = fake.sent_at_rest().await;
    assert!(sent < 4 << 20, "{sent} bytes are on their way and nobody reads");
    let memory = memory_of(&child);
    assert!(memory < 48 << 10, "{memory} KiB");

    let mut stdout = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut stdout).await.unwrap();
    assert!(stdout == flood, "stdout differs");
    assert_eq!(ended(&mut child).await, 0);
}

#[tokio::test]
async fn small_messages_that_wait_do_not_break_the_connection() {
    const DRIPS: usize = 100_000;
    let fake = Fake::running(vec![Step::Drip(DRIPS)], completed);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = kiln(&fake, &["run", "drip"]);
    // The pipe is full already: not one byte moves on.
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    std::io::Write::write_all(&mut &writer, &[b'x'; 4096]).unwrap();
    let mut child = command.stdout(writer).spawn().unwrap();
    drop(command);
    fake.sent_at_least(1).await;
    assert!(fake.sent_at_rest().await < DRIPS as u64);
    let stdout = tokio::task::spawn_blocking(move || {
        let mut stdout = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut stdout).map(|_| stdout)
    });
    assert!(stdout.await.unwrap().unwrap()[4096..] == pattern(1, DRIPS), "stdout differs");
    assert_eq!(ended(&mut child).await, 0);
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_job_without_a_word() {
    let fake = Fake::running(vec![Step::Stdout(pattern(1, FLOOD))], completed);
    let mut child = kiln(&fake, &["run", "flood"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_until(b'\n', &mut Vec::new()).await.unwrap();
    drop(stdout);
    assert_eq!(ended(&mut child).await, 141);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
    assert_eq!(stderr, "");
    assert_eq!(fake.state.cancelled.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_device_is_told() {
    let fake = Fake::running(vec![Step::Stdout(pattern(1, 1 << 20))], completed);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = kiln(&fake, &["run", "flood"]).stdout(full).spawn().unwrap();
    let (code, _, stderr) = crate::command::finish(child).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("cannot write to stdout: No space left"), "{stderr}");
    assert_eq!(fake.state.cancelled.lock().unwrap().len(), 1);
}

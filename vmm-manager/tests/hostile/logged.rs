//! What a guest writes, all the way: from its agent through the client into a log on the disk, and
//! to those who follow it there. Each flood runs in a process of its own, whose memory is nobody
//! else's.

use std::{
    env, fs, iter,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use kiln_proto::agent::v1::exec_response::Event;
use kiln_vmm_manager::{
    guest::{Command, Connection, ExecEvent},
    log::{Log, LogEvent, LogQuota, LogReader, LogSummary, LogWriter},
    stream::Stream,
};
use tokio::{io::duplex, runtime, task::JoinSet, time::sleep};

use crate::{
    play::conversation,
    recording::{attend, exited, started, stdout},
};

const MEBIBYTE: u64 = 1 << 20;
/// Of the process, agents and all, beyond what it had before the flood.
const MEMORY: u64 = 8 * MEBIBYTE;
const CHUNK_BYTES: u64 = 32 * 1024;
/// The chunk of a neighbour that says less.
const WORD_BYTES: u64 = 3000;
const FLOOD: &str = "KILN_TEST_FLOOD_MEBIBYTES";

/// What stands at each offset of every output here: a prime number of bytes, over and over.
#[derive(Clone, Debug)]
struct Pattern {
    table: Bytes,
}

impl Pattern {
    const PERIOD: u64 = 65_521;

    fn new() -> Self {
        let mut random = crate::random::Random(1);
        let period: Vec<u8> = (0..Self::PERIOD).map(|_| random.byte()).collect();
        Self { table: period.repeat(3).into() }
    }

    fn at(&self, offset: u64, length: u64) -> Bytes {
        let from = usize::try_from(offset % Self::PERIOD).expect("small");
        self.table.slice(from..from + usize::try_from(length).expect("small"))
    }

    #[track_caller]
    fn check(&self, offset: u64, data: &[u8]) {
        let expected = self.at(offset, data.len() as u64);
        assert!(data == expected, "not what was written at {offset}");
    }

    /// A command that writes `total` bytes in chunks of `length`.
    fn script(&self, total: u64, length: u64) -> impl Iterator<Item = Event> + use<> {
        let pattern = self.clone();
        let offsets = (0..total).step_by(usize::try_from(length).expect("small"));
        let chunk = move |offset| stdout(offset, pattern.at(offset, length.min(total - offset)));
        iter::once(started()).chain(offsets.map(chunk)).chain([exited(0)])
    }
}

/// Runs the one command of the agent at the other end, as a job's lifecycle does.
async fn carry(host: tokio::io::DuplexStream, mut writer: LogWriter) -> Result<()> {
    let talk = conversation();
    let (guest, _) = Connection::over(host).await?.hello(talk.hello).await?;
    let command = Command { id: Some("work".to_owned()), ..talk.command };
    let (input, mut output) = guest.exec(command).await?;
    loop {
        match output.next().await? {
            ExecEvent::Stdout(data) => {
                writer.append(Stream::Stdout, &data).await?;
                input.taken(writer.end_offset());
            }
            ExecEvent::Exited(_) => break,
            event => assert!(matches!(event, ExecEvent::Started { .. })),
        }
    }
    writer.seal().await?;
    Ok(())
}

/// How much a reader was given, and how much it was told that it missed.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    bytes: u64,
    dropped: u64,
}

impl Heard {
    fn take(&mut self, event: LogEvent, pattern: &Pattern) {
        match event {
            LogEvent::Chunk { offset, data, .. } => {
                assert_eq!(offset, self.bytes + self.dropped);
                pattern.check(offset, &data);
                self.bytes += data.len() as u64;
            }
            LogEvent::Gap { offset, dropped_bytes } => {
                assert_eq!(offset, self.bytes + self.dropped);
                self.dropped += dropped_bytes;
            }
        }
    }
}

/// Follows a log to its end, slower than it is written.
async fn follow(mut reader: LogReader, pattern: Pattern) -> Result<Heard> {
    let mut heard = Heard::default();
    while let Some(event) = reader.next_followed().await? {
        heard.take(event, &pattern);
    }
    Ok(heard)
}

async fn follow_pinned(log: Log, pattern: Pattern) -> Result<Heard> {
    let (mut reader, mut heard) = (log.pin(0), Heard::default());
    while let Some(event) = reader.next().await? {
        heard.take(event, &pattern);
    }
    Ok(heard)
}

/// What the process holds in memory of its own; the program's text, of which a flood uses more than
/// silence does, is the system's.
fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let line = line.context("a number")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Looks at the memory again and again, for as long as `work` takes: how far it grew.
async fn growth_during<T>(work: impl Future<Output = T>) -> Result<(T, u64)> {
    const LOOK: Duration = Duration::from_millis(5);
    let before = resident()?;
    let mut peak = before;
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Ok((done, peak.max(resident()?) - before)),
            () = sleep(LOOK) => peak = peak.max(resident()?),
        }
    }
}

/// A guest that floods its log with `total` bytes, and a neighbour that says an eighth of that to a
/// client which must not miss a word.
#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
async fn flood(total: u64, directory: &Path) -> Result<()> {
    let pattern = Pattern::new();
    let quota = LogQuota::default();
    let mut agents = JoinSet::new();
    let mut open = |name: &str, total: u64, length: u64| {
        let (host, guest) = duplex(64 * 1024);
        let script = pattern.clone();
        agents.spawn(attend(guest, move || script.script(total, length)));
        let directory = directory.join(name);
        fs::create_dir(&directory)?;
        anyhow::Ok((host, LogWriter::create(directory, quota)))
    };
    let (loud, (loud_writer, loud_log)) = open("loud", total, CHUNK_BYTES)?;
    let (calm, (calm_writer, calm_log)) = open("calm", total / 8, WORD_BYTES)?;
    let both = async {
        let loud = tokio::spawn(carry(loud, loud_writer));
        let calm = tokio::spawn(carry(calm, calm_writer));
        let follower = tokio::spawn(follow(loud_log.read_from(0), pattern.clone()));
        let client = tokio::spawn(follow_pinned(calm_log, pattern.clone()));
        tokio::try_join!(loud, calm, follower, client)
    };
    let (all, growth) = growth_during(both).await?;
    let (loud, calm, follower, client) = all?;
    let ((), (), follower, client) = (loud?, calm?, follower?, client?);
    assert!(growth <= MEMORY, "{growth} bytes more for {total} of output");

    assert_eq!(client.bytes, total / 8, "the neighbour's client has every byte");
    assert_eq!(follower.bytes + follower.dropped, total);
    // What is kept can be read after it all, and no more than that is said to be dropped.
    let closed = Log::closed(directory.join("loud")).await?;
    let kept = follow(closed.read_from(0), pattern.clone()).await?;
    let LogSummary { end_offset, dropped_bytes } = closed.summary();
    assert_eq!((end_offset, dropped_bytes), (total, kept.dropped));
    assert_eq!(kept.bytes + kept.dropped, total);
    assert!(kept.bytes >= (24 * MEBIBYTE - 2 * CHUNK_BYTES).min(total), "{kept:?}");
    let mut tail = closed.read_from(total - 8 * MEBIBYTE + MEBIBYTE / 8);
    while let Some(event) = tail.next_stored().await? {
        let LogEvent::Chunk { offset, data, .. } = event else { panic!("{event:?} in the tail") };
        pattern.check(offset, &data);
    }
    assert_eq!(tail.offset(), total);
    println!("memory grew by {} KiB", growth >> 10);
    Ok(())
}

/// The child of the next one.
#[test]
fn a_flood_in_a_process_of_its_own() {
    let Ok(mebibytes) = env::var(FLOOD) else { return };
    let total = mebibytes.parse::<u64>().unwrap() * MEBIBYTE;
    let directory = tempfile::tempdir().unwrap();
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(flood(total, directory.path())).unwrap();
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn a_flood_into_a_log_costs_its_quota_and_hurts_nobody() {
    let mebibytes = if crate::full() { 10 * 1024 } else { 256 };
    let begin = Instant::now();
    let child = std::process::Command::new(env::current_exe().unwrap())
        .args(["--exact", "logged::a_flood_in_a_process_of_its_own", "--nocapture"])
        .env(FLOOD, mebibytes.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{told}{}", String::from_utf8_lossy(&child.stderr));
    let figures = told.lines().find(|line| line.contains("memory grew")).expect("it ran");
    let took: Duration = begin.elapsed();
    println!("{mebibytes} MiB in {took:?}; {figures}");
}

/// Nothing is missed by a client that is waited for, and it costs little.
#[test]
fn a_pinned_client_sees_every_byte_of_a_quick_command() {
    const TOTAL: u64 = 256 * MEBIBYTE;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let begin = Instant::now();
    runtime.unwrap().block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let pattern = Pattern::new();
        let (mut writer, log) = LogWriter::create(directory.path().into(), LogQuota::default());
        let client = tokio::spawn(follow_pinned(log, pattern.clone()));
        for offset in (0..TOTAL).step_by(64 * 1024) {
            writer.append(Stream::Stdout, &pattern.at(offset, 64 * 1024)).await.unwrap();
        }
        writer.seal().await.unwrap();
        assert_eq!(client.await.unwrap().unwrap().bytes, TOTAL);
    });
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

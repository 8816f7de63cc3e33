//! What a daemon would find.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use kiln_faults::{Operation, Record};
use kiln_tests::digest;
use kiln_vmm_manager::{
    job::{Job, JobId, Outcome, State},
    log::{Log, LogEvent, LogQuota, LogWriter},
    store::Store,
};

const TENANT: &str = "local";

/// What clients had been told.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Job and key.
    pub(super) acknowledged: BTreeMap<String, String>,
    /// Job and state.
    ended: BTreeMap<String, String>,
    sources: BTreeSet<String>,
}

impl Known {
    pub(super) fn learn(&mut self, record: &Record) -> anyhow::Result<()> {
        if record.operation != Operation::Mark {
            return Ok(());
        }
        let words = std::str::from_utf8(&record.data)?;
        match words.split(' ').collect::<Vec<_>>()[..] {
            ["acknowledged", id, key] => {
                self.acknowledged.insert(id.to_owned(), key.to_owned());
            }
            ["ended", id, state] => {
                self.ended.insert(id.to_owned(), state.to_owned());
            }
            ["source", id] => {
                self.sources.insert(id.to_owned());
            }
            _ => bail!("no mark says {words:?}"),
        }
        Ok(())
    }
}

/// Opens everything in the home, as its next daemon does.
pub(super) async fn found(home: &Path, known: &Known) -> anyhow::Result<()> {
    let store = home.join("store");
    if !store.exists() {
        ensure!(known.acknowledged.is_empty(), "the whole store is gone");
        return Ok(());
    }
    let (store, _) = Store::open(&store).context("the store does not open")?;
    // Every record, so that none is unreadable.
    let jobs = store.list(TENANT, None, None, usize::MAX >> 1).await?;
    let jobs: BTreeMap<_, _> = jobs.into_iter().map(|job| (job.id.to_string(), job)).collect();
    for (id, key) in &known.acknowledged {
        match jobs.get(id) {
            Some(job) => ensure!(job.idempotency_key.as_deref() == Some(key), "{id} has no key"),
            // Ended jobs are forgotten in time, and nothing else is.
            None => ensure!(known.ended.contains_key(id), "{id} was acknowledged and is gone"),
        }
    }
    for (id, state) in &known.ended {
        if let Some(job) = jobs.get(id) {
            ensure!(state_name(job) == Some(state), "{id} ended as {state} and is {:?}", job.state);
        }
    }
    for job in jobs.values() {
        files_of(home, job).await.with_context(|| format!("job {}", job.id))?;
    }
    sources(home, known)?;
    store.close(Duration::from_secs(10)).await?;
    Ok(())
}

fn state_name(job: &Job) -> Option<&'static str> {
    match &job.state {
        State::Ended { outcome, .. } => Some(match outcome {
            Outcome::Completed => "JOB_STATE_COMPLETED",
            Outcome::Failed { .. } => "JOB_STATE_FAILED",
            Outcome::Cancelled => "JOB_STATE_CANCELLED",
            Outcome::Timeout => "JOB_STATE_TIMEOUT",
        }),
        _ => None,
    }
}

async fn files_of(home: &Path, job: &Job) -> anyhow::Result<()> {
    let directory = home.join("jobs").join(job.id.as_str());
    if job.has_ended() {
        if directory.exists() || job.log.end_offset > 0 {
            let log = Log::closed(directory.clone()).await.context("its log does not open")?;
            let end = read_all(log).await?;
            ensure!(end == job.log.end_offset, "its log ends at {end}, not {}", job.log.end_offset);
        }
        for output in job.outputs.iter().filter(|output| !output.expired) {
            let bytes = fs::read(directory.join("outputs").join(&output.name))
                .with_context(|| format!("its output {}", output.name))?;
            ensure!(bytes.len() as u64 == output.size_bytes, "half of {}", output.name);
            ensure!(format!("sha256:{}", digest(&bytes)) == output.digest, "{}", output.name);
        }
    } else if directory.exists() {
        // A job that goes on, or ends as lost: its log must open for more.
        let opened = LogWriter::open(directory, LogQuota::default()).await;
        let (_writer, log) = opened.context("its log does not open for more")?;
        read_all(log).await?;
    }
    Ok(())
}

/// Where the log ends, when all of it could be read.
async fn read_all(log: Log) -> anyhow::Result<u64> {
    let mut reader = log.read_from(0);
    while let Some(event) = reader.next_stored().await? {
        if let LogEvent::Gap { .. } = event {
            bail!("a gap in a log that reached no quota");
        }
    }
    Ok(reader.offset())
}

/// Whole, or no source: what has a record has its bytes.
fn sources(home: &Path, known: &Known) -> anyhow::Result<()> {
    let directory = home.join("sources");
    if !directory.exists() {
        return Ok(());
    }
    let opened = kiln_vmm_manager::source::Sources::open(&directory, 1 << 40);
    let sources = opened.context("the sources do not open")?;
    for id in &known.sources {
        let Ok(id) = id.parse() else { bail!("{id} is no source") };
        if let Some(source) = sources.get(TENANT, &id) {
            let bytes = fs::read(&source.disk)?;
            let length = usize::try_from(source.size_bytes)?;
            let uploaded = bytes.get(..length).context("half a source")?;
            ensure!(format!("sha256:{}", digest(uploaded)) == source.digest, "other bytes");
        }
    }
    Ok(())
}

#[expect(dead_code, reason = "names the type that ids are of")]
type Id = JobId;

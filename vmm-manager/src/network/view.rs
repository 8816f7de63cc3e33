//! What happens on a machine's network, for who asks while it lives and for the job's record.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use kiln_net::{
    control::{Opening, SOCKET},
    record::EgressRecord,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Mutex,
    task::spawn_blocking,
    time::timeout,
};

use super::{Networks, begin::record_path, journal::Written};
use crate::host;

/// How old an answer may be for who only asks how things are.
const RECENT: Duration = Duration::from_secs(5);
/// For a gateway to write what it has in mind: a few pages.
const FLUSH: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct EgressView {
    networks: Arc<Networks>,
    job: String,
    journal: PathBuf,
    /// The gateway's.
    socket: PathBuf,
    /// Nothing has happened before.
    since: SystemTime,
    /// Locked for one look, so that many who ask are answered by one.
    latest: Mutex<Option<(Instant, Arc<EgressRecord>)>>,
}

impl EgressView {
    pub(super) fn new(
        networks: &Arc<Networks>,
        job: &str,
        directory: &Path,
        since: SystemTime,
    ) -> Self {
        Self {
            networks: Arc::clone(networks),
            job: job.to_owned(),
            journal: record_path(directory),
            socket: directory.join(SOCKET),
            since,
            latest: Mutex::default(),
        }
    }

    /// As it is now: of what could not be read, the record says so.
    ///
    /// # Cancel safety
    /// Safe: looking changes nothing.
    pub(crate) async fn look(&self) -> Arc<EgressRecord> {
        self.read(&mut *self.latest.lock().await).await
    }

    /// As it was a moment ago.
    ///
    /// # Cancel safety
    /// Safe: looking changes nothing.
    pub(crate) async fn recent(&self) -> Arc<EgressRecord> {
        let mut latest = self.latest.lock().await;
        match &*latest {
            Some((when, record)) if when.elapsed() < RECENT => Arc::clone(record),
            _ => self.read(&mut latest).await,
        }
    }

    /// Has the gateway write down what it has only in mind; one that does not, or is gone, has
    /// written what it will.
    async fn flush(&self) {
        let flushed = async {
            let mut gateway = host::connect(&self.socket).await?;
            let mut line = serde_json::to_vec(&Opening::Flush {})?;
            line.push(b'\n');
            gateway.write_all(&line).await?;
            gateway.read(&mut [0]).await.map(drop)
        };
        match timeout(FLUSH, flushed).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(job = self.job, %error, "a gateway is not there"),
            Err(_) => tracing::debug!(job = self.job, "a gateway does not write its record"),
        }
    }

    async fn read(&self, latest: &mut Option<(Instant, Arc<EgressRecord>)>) -> Arc<EgressRecord> {
        let path = self.journal.clone();
        let written = async {
            self.flush().await;
            spawn_blocking(move || Written::read(&path)).await
        };
        let (written, seen) = tokio::join!(written, self.networks.kernel.read(&self.job));
        let Written { journal, unread } = written.unwrap_or_else(|error| Written::unread(&error));
        if let Err(error) = &seen {
            let (job, error) = (&self.job, error.in_words());
            tracing::error!(job, error, "what the kernel saw of a network could not be read");
        }
        let lifetime = self.since..=SystemTime::now();
        let never = &self.networks.config.never;
        let mut record = EgressRecord::merge(&journal, seen.as_ref().ok(), never, &lifetime);
        if let Some(unread) = unread {
            record.lack(&unread);
        }
        let record = Arc::new(record);
        *latest = Some((Instant::now(), Arc::clone(&record)));
        record
    }
}

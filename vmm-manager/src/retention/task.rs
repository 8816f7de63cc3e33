//! The one task that removes what nobody is promised any more.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::{MissedTickBehavior, interval};

use super::{Archive, ArchiveError, EndedJob, RetentionLimits, Verdict, judge};
use crate::job::JobId;

pub struct Retention {
    archive: Arc<dyn Archive>,
    limits: RetentionLimits,
    /// Files that no record speaks of any more, and that could not be removed yet.
    leftovers: Mutex<BTreeSet<Leftover>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leftover {
    Outputs(JobId),
    Directory(JobId),
}

impl std::fmt::Debug for Retention {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Retention").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Retention {
    pub fn new(archive: Arc<dyn Archive>, limits: RetentionLimits) -> Self {
        Self { archive, limits, leftovers: Mutex::default() }
    }

    /// Sweeps once, then applies the policy at each period. Never returns; drop it.
    ///
    /// # Cancel safety
    /// Safe: what was begun is found by the next sweep.
    pub async fn run(&self, period: Duration) {
        self.sweep().await;
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.apply(SystemTime::now()).await;
        }
    }

    /// Removes what is above the limits. What can't be removed is tried again the next time.
    pub async fn apply(&self, now: SystemTime) {
        match self.archive.ended().await {
            Ok(jobs) => self.carry_out(judge(jobs, &self.limits, now)).await,
            Err(error) => report("ended jobs", None, &error),
        }
        self.clear().await;
    }

    /// Finds what was cut off between a record and its files, and what was lost from outside.
    pub async fn sweep(&self) {
        if let Err(error) = self.sweep_directories().await {
            report("directories without a record", None, &error);
        }
        if let Err(error) = self.sweep_outputs().await {
            report("outputs without a record", None, &error);
        }
        self.clear().await;
    }

    /// The records; their files are leftovers from here on.
    async fn carry_out(&self, Verdict { forget, expire }: Verdict) {
        for job in expire {
            match self.archive.expire(&job).await {
                Ok(()) => self.leave(Leftover::Outputs(job)),
                Err(error) => report("outputs that have expired", Some(&job), &error),
            }
        }
        for job in forget {
            match self.archive.forget(&job).await {
                Ok(()) => self.leave(Leftover::Directory(job)),
                Err(error) => report("a job above the limits", Some(&job), &error),
            }
        }
    }

    /// Removes the leftovers that nobody reads. Whoever begins to read looks at the record after
    /// he is counted, so from here on no new one finds it.
    async fn clear(&self) {
        let leftovers = self.leftovers().clone();
        for leftover in leftovers {
            let (Leftover::Outputs(job) | Leftover::Directory(job)) = &leftover;
            if self.archive.is_read(job) {
                continue;
            }
            let removed = match &leftover {
                Leftover::Outputs(job) => self.archive.remove_outputs(job).await,
                Leftover::Directory(job) => self.archive.remove_directory(job).await,
            };
            match removed {
                Ok(()) => drop(self.leftovers().remove(&leftover)),
                Err(error) => report("files that no record speaks of", Some(job), &error),
            }
        }
    }

    async fn sweep_directories(&self) -> Result<(), ArchiveError> {
        // Directories first: a job's is made after its record lasts, so one that is seen here and
        // has no record now was forgotten, and is not about to be.
        for job in self.archive.directories().await? {
            if !self.archive.has_record(&job).await? {
                tracing::info!(%job, "removing what a forgotten job has left");
                self.leave(Leftover::Directory(job));
            }
        }
        Ok(())
    }

    async fn sweep_outputs(&self) -> Result<(), ArchiveError> {
        let directories = self.archive.directories().await?;
        for EndedJob { id, output_bytes, .. } in self.archive.ended().await? {
            if output_bytes.is_none() {
                if directories.contains(&id) {
                    self.leave(Leftover::Outputs(id));
                }
            } else if !self.archive.has_outputs(&id).await? {
                tracing::error!(job = %id, "outputs are gone that nobody has removed");
                self.archive.expire(&id).await?;
                self.leave(Leftover::Outputs(id));
            }
        }
        Ok(())
    }

    fn leave(&self, leftover: Leftover) {
        self.leftovers().insert(leftover);
    }

    fn leftovers(&self) -> MutexGuard<'_, BTreeSet<Leftover>> {
        // Every change is one insert or remove: a panic elsewhere leaves the set whole.
        self.leftovers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn report(what: &'static str, job: Option<&JobId>, error: &ArchiveError) {
    let job = job.map(JobId::as_str);
    let cause = std::error::Error::source(error);
    tracing::error!(job, %error, cause, "retention of {what} is put off");
}

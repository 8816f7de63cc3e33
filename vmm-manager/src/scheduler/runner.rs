//! What a turn in the queue is spent on: the narrow seam between the scheduler and the lifecycle.

use std::sync::Arc;

use async_trait::async_trait;

use crate::store::JobHandle;

/// What has become of a job when its turn is over. In each case nothing of the job is left to be
/// waited for in this daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has ended, given everything back and been marked as released.
    Over,
    /// Its command was not started, and everything is given back: the scheduler queues it again in
    /// its old place, or ends it when that was its last attempt.
    Again,
    /// Its machine runs on, for the daemon that comes next. It holds its share until this one goes.
    Left,
}

/// Runs jobs. The scheduler begins the attempt of a job before it gives it to [`Runner::run`], so
/// it is running, preparing, and its number and leases can be taken.
#[async_trait]
pub trait Runner: std::fmt::Debug + Send + Sync {
    /// A job whose turn has come.
    async fn run(&self, job: Arc<JobHandle>) -> Turn;

    /// A job that was running when an earlier daemon went.
    async fn adopt(&self, job: Arc<JobHandle>) -> Turn;
}

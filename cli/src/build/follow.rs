//! A build's log, from kilnd to our stderr, until the build has ended.
//!
//! ```text
//!          ┌────────── kilnd is gone: wait ◀──────────┐
//!          ▼                                          │
//! read the log at the offset ──▶ events, each drawn ──┴─▶ its end ──▶ the record
//! ```

use kiln_proto::v1;
use tokio::{sync::watch, time::Instant};
use tonic::Streaming;

use super::{notes::Notes, render::Renderer};
use crate::{
    daemon::{Daemon, DaemonError, Patience},
    output::{Output, OutputError, Stream},
    progress,
    record::{Build, BuildEvent, Job},
};

/// Why following ended before the build did.
#[derive(Debug)]
pub(super) enum Broken {
    Lost { cause: DaemonError, offset: u64 },
    Output(OutputError),
}

pub(super) struct Follower {
    daemon: Daemon,
    id: String,
    output: Output,
    renderer: Renderer,
    notes: Notes,
    /// Whether the user wants an end of it.
    wish: watch::Receiver<bool>,
    /// Of what has not been shown.
    next: u64,
    /// That an ended build's log ended there before.
    is_over_at: Option<u64>,
}

impl Follower {
    pub(super) fn new(
        daemon: Daemon,
        id: String,
        output: Output,
        renderer: Renderer,
        wish: watch::Receiver<bool>,
    ) -> Self {
        let notes = Notes::default();
        Self { daemon, id, output, renderer, notes, wish, next: 0, is_over_at: None }
    }

    /// Shows all of it, whatever becomes of kilnd meanwhile. While our own stderr is not read this
    /// waits, and the build does not.
    pub(super) async fn follow(mut self) -> Result<(Build, Notes), Broken> {
        let followed = self.persist().await;
        if let Err(Broken::Output(error)) = followed {
            return Err(Broken::Output(error));
        }
        let is_error = !followed.as_ref().is_ok_and(Build::has_completed);
        let last = self.renderer.finish(is_error, Instant::now());
        self.write(last).await?;
        // What has arrived is written even when no more will come.
        self.output.finish().await.map_err(Broken::Output)?;
        Ok((followed?, self.notes))
    }

    async fn persist(&mut self) -> Result<Build, Broken> {
        let mut patience = self.daemon.patience();
        loop {
            let cause = match self.read(&mut patience).await {
                Ok(Some(build)) => return Ok(build),
                Ok(None) => continue,
                Err(Broken::Lost { cause, .. }) => cause,
                Err(broken) => return Err(broken),
            };
            self.renderer.doing(Some("waiting for kilnd, which is away"));
            let drawn = self.renderer.tick(Instant::now());
            self.write(drawn).await?;
            patience.endure(cause).await.map_err(|cause| self.lost(cause))?;
        }
    }

    /// `None` where it is to be read once more.
    async fn read(&mut self, patience: &mut Patience) -> Result<Option<Build>, Broken> {
        let (id, offset) = (self.id.clone(), self.next);
        let request = v1::ReadBuildLogRequest { id: id.clone(), offset, follow: true };
        let answers = self.daemon.read_build_log(request).await;
        let mut answers = answers.map_err(|cause| self.lost(cause))?;
        // What it says besides is told where there is room for it, and is no reason to fail.
        let mut changes = self.daemon.changes(&id).await.ok();
        let mut pause = tokio::time::interval(self.renderer.pause());
        loop {
            tokio::select! {
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => {
                        patience.restore();
                        self.take(answer).await?;
                    }
                    Ok(None) => return self.end().await,
                    Err(status) => return Err(self.lost(self.daemon.error(&status))),
                },
                job = changed(&mut changes) => self.renderer.doing(progress::doing(&job)),
                _ = pause.tick() => {
                    if *self.wish.borrow() {
                        self.renderer.doing(Some("cancelling; Ctrl-C again leaves it"));
                    }
                    let drawn = self.renderer.tick(Instant::now());
                    self.write(drawn).await?;
                }
            }
        }
    }

    async fn take(&mut self, answer: v1::ReadBuildLogResponse) -> Result<(), Broken> {
        let v1::ReadBuildLogResponse { next_offset, event } = answer;
        self.next = self.next.max(next_offset);
        // None of a newer kilnd.
        let Some(event) = event.map(BuildEvent::from) else { return Ok(()) };
        self.notes.take(&event);
        let drawn = self.renderer.event(&event, Instant::now());
        self.write(drawn).await
    }

    /// A stream that ends in order may be that of a kilnd that stops. What the guest says last is
    /// no event, so an ended build's log has no more once it has ended twice at one place.
    async fn end(&mut self) -> Result<Option<Build>, Broken> {
        let build = self.daemon.build(&self.id).await.map_err(|cause| self.lost(cause))?;
        let build = Build::from(build);
        if !build.job.has_ended() {
            return Err(self.lost(self.daemon.cut_short("the build's log")));
        }
        if self.next >= build.job.log.end_offset || self.is_over_at == Some(self.next) {
            return Ok(Some(build));
        }
        self.is_over_at = Some(self.next);
        Ok(None)
    }

    async fn write(&mut self, drawn: Vec<u8>) -> Result<(), Broken> {
        if drawn.is_empty() {
            return Ok(());
        }
        self.output.write(Stream::Stderr, drawn.into()).await.map_err(Broken::Output)
    }

    fn lost(&self, cause: DaemonError) -> Broken {
        Broken::Lost { cause, offset: self.next }
    }
}

/// The next state of the job; never, when nobody tells.
async fn changed(changes: &mut Option<Streaming<v1::WatchJobResponse>>) -> Job {
    while let Some(stream) = changes {
        match stream.message().await {
            Ok(Some(v1::WatchJobResponse { job })) => return Job::from(job.unwrap_or_default()),
            Ok(None) | Err(_) => *changes = None,
        }
    }
    std::future::pending().await
}

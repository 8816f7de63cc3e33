//! A job's log and what it is at, from kilnd to here, until the job has ended.
//!
//! ```text
//!          ┌────────── kilnd is gone: wait ◀──────────┐
//!          ▼                                          │
//! read the log at the offset ──▶ bytes, each shown ───┴─▶ its end ──▶ the record
//! ```

use bytes::Bytes;
use kiln_proto::v1::{self, read_log_response::Event};
use tonic::Streaming;

use crate::{
    daemon::{Daemon, DaemonError, Patience},
    display::size,
    output::{Output, OutputError, Stream},
    progress::{self, Progress},
    record::Job,
};

/// A line that is longer is shown in parts.
const LONGEST: usize = 64 << 10;

/// Why following ended before the job did.
#[derive(Debug)]
pub(crate) enum Broken {
    Lost { cause: DaemonError, offset: u64 },
    Output(OutputError),
}

/// Where the log goes.
#[derive(Debug)]
pub(crate) enum View {
    /// To stderr, between the lines of our own: what is not whole waits for its end.
    Lines(Vec<u8>),
    /// All of it as it is. While nobody reads it this waits, and the job does not.
    Console(Output, Stream),
}

#[derive(Debug)]
pub(crate) struct Follower {
    daemon: Daemon,
    id: String,
    progress: Progress,
    view: View,
    /// Of what has not been shown.
    next: u64,
}

impl Follower {
    pub(crate) fn new(daemon: Daemon, id: String, progress: Progress, view: View) -> Self {
        Self { daemon, id, progress, view, next: 0 }
    }

    /// Shows all of it, whatever becomes of kilnd meanwhile.
    pub(crate) async fn follow(mut self) -> Result<Job, Broken> {
        let followed = self.persist().await;
        if let Err(Broken::Output(error)) = followed {
            return Err(Broken::Output(error));
        }
        // What has arrived is written even when no more will come.
        if let View::Lines(_) = self.view {
            self.lines(b"\n");
        }
        if let View::Console(output, _) = self.view {
            output.finish().await.map_err(Broken::Output)?;
        }
        followed
    }

    async fn persist(&mut self) -> Result<Job, Broken> {
        let mut patience = self.daemon.patience();
        loop {
            let cause = match self.read(&mut patience).await {
                Err(Broken::Lost { cause, .. }) => cause,
                done => return done,
            };
            self.progress.say("waiting for kilnd, which is away");
            patience.endure(cause).await.map_err(|cause| self.lost(cause))?;
        }
    }

    async fn read(&mut self, patience: &mut Patience) -> Result<Job, Broken> {
        let (id, offset) = (self.id.clone(), self.next);
        let request = v1::ReadLogRequest { id: id.clone(), offset, follow: true };
        let answers = self.daemon.read_log(request).await;
        let mut answers = answers.map_err(|cause| self.lost(cause))?;
        // What it says besides is told where there is room for it, and is no reason to fail.
        let mut changes = self.daemon.changes(&id).await.ok();
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
                job = changed(&mut changes) => {
                    if let Some(doing) = progress::doing(&job) {
                        self.progress.say(doing);
                    }
                }
            }
        }
    }

    async fn take(&mut self, answer: v1::ReadLogResponse) -> Result<(), Broken> {
        match answer.event {
            Some(Event::Chunk(chunk)) => {
                self.next = chunk.offset + chunk.data.len() as u64;
                self.show(chunk.data).await.map_err(Broken::Output)?;
            }
            Some(Event::Gap(v1::LogGap { offset, dropped_bytes })) => {
                self.next = offset + dropped_bytes;
                self.progress.notice(&format!(
                    "here {} of the log are missing: it had reached its quota",
                    size(dropped_bytes),
                ));
            }
            // Of a newer kilnd.
            None => {}
        }
        Ok(())
    }

    /// A stream that ends in order may be that of a kilnd that stops.
    async fn end(&self) -> Result<Job, Broken> {
        let job = self.daemon.ended(&self.id).await.map_err(|cause| self.lost(cause))?;
        if self.next >= job.log.end_offset {
            Ok(job)
        } else {
            Err(self.lost(self.daemon.cut_short("the log")))
        }
    }

    async fn show(&mut self, data: Bytes) -> Result<(), OutputError> {
        match &mut self.view {
            View::Lines(_) => {
                self.lines(&data);
                Ok(())
            }
            View::Console(output, stream) => {
                self.progress.clear();
                output.write(*stream, data).await
            }
        }
    }

    fn lines(&mut self, data: &[u8]) {
        let View::Lines(half) = &mut self.view else { return };
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            half.extend_from_slice(part);
            if part.ends_with(b"\n") || half.len() > LONGEST {
                let line = std::mem::take(half);
                let line = String::from_utf8_lossy(&line);
                if !line.trim_end().is_empty() {
                    self.progress.line(line.trim_end());
                }
            }
        }
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

//! The live streams of a job, from kilnd to our stdout and stderr, and from our stdin to kilnd.
//!
//! ```text
//!            ┌──────────────── kilnd is gone: wait ◀────────────────┐
//!            ▼                                                      │
//! attach at the offset ──▶ output, and stdin from where kilnd says ─┴─▶ the job's end
//! ```

mod feed;

use bytes::Bytes;
use kiln_proto::v1::{self, attach_job_request, attach_job_response::Event};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use self::feed::Feed;
pub(super) use self::feed::Inputs;
use super::stdin::StdinError;
use crate::{
    daemon::{Daemon, DaemonError, Patience},
    display::size,
    output::{Output, OutputError, Stream},
    progress::Progress,
    record::{Job, Phase},
};

/// Of what goes to kilnd: stdin is read no faster than the command takes it.
const QUEUE: usize = 4;
/// An attachment that held so long was one, whether or not there was any output.
const STABLE: std::time::Duration = std::time::Duration::from_secs(5);

/// Why an attachment ended before its job did.
#[derive(Debug)]
pub(super) enum Broken {
    Lost { cause: DaemonError, arrived: Arrived },
    Stdin(StdinError),
    Output(OutputError),
}

/// How far an attachment came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// It never came about.
    Nothing,
    /// So many bytes of output, both streams together, with those that the log dropped.
    Bytes(u64),
}

#[derive(Debug)]
pub(super) struct Attachment {
    daemon: Daemon,
    id: String,
    output: Output,
    /// Where the command's stdout goes.
    stdout: Stream,
    progress: Progress,
    arrived: Arrived,
    feed: Feed,
}

impl Attachment {
    pub(super) fn new(
        daemon: Daemon,
        id: String,
        output: Output,
        stdout: Stream,
        progress: Progress,
    ) -> Self {
        let arrived = Arrived::Nothing;
        Self { daemon, id, output, stdout, progress, arrived, feed: Feed::default() }
    }

    /// Attaches, and moves output until the job has ended and every byte is written, whatever
    /// becomes of kilnd meanwhile. While our own stdout is not read this waits, and so in the end
    /// does the command.
    pub(super) async fn pump(mut self, mut inputs: Inputs) -> Result<Job, Broken> {
        let followed = self.persist(&mut inputs).await;
        self.progress.clear();
        if let Err(Broken::Output(error)) = followed {
            return Err(Broken::Output(error));
        }
        // What has arrived is written even when no more will come.
        self.output.finish().await.map_err(Broken::Output)?;
        followed
    }

    async fn persist(&mut self, inputs: &mut Inputs) -> Result<Job, Broken> {
        let mut patience = self.daemon.patience();
        loop {
            let cause = match self.follow(inputs, &mut patience).await {
                Err(Broken::Lost { cause, .. }) => cause,
                done => return done,
            };
            patience.endure(cause).await.map_err(|cause| self.lost(cause))?;
        }
    }

    async fn follow(
        &mut self,
        inputs: &mut Inputs,
        patience: &mut Patience,
    ) -> Result<Job, Broken> {
        let begun = Instant::now();
        let attach = v1::Attach { id: self.id.clone(), offset: self.offset() };
        let event = Some(attach_job_request::Event::Attach(attach));
        let (to_kilnd, requests) = mpsc::channel(QUEUE);
        let first = tokio_stream::once(v1::AttachJobRequest { event });
        let requests = first.chain(ReceiverStream::new(requests));
        let attached = self.daemon.attach(requests).await;
        let mut responses = attached.map_err(|cause| self.lost(cause))?;
        self.arrived = Arrived::Bytes(self.offset());
        self.feed.begin_stream();
        let feed = self.feed.clone();
        tokio::select! {
            followed = self.receive(&mut responses, begun, patience) => followed,
            never = feed.run(inputs, to_kilnd) => match never {},
        }
    }

    async fn receive(
        &mut self,
        responses: &mut tonic::Streaming<v1::AttachJobResponse>,
        begun: Instant,
        patience: &mut Patience,
    ) -> Result<Job, Broken> {
        loop {
            let response = match responses.message().await {
                Ok(Some(response)) => response,
                Ok(None) => return Err(self.lost(self.daemon.cut_short("the attachment"))),
                Err(status) => return Err(self.lost(self.daemon.error(&status))),
            };
            if begun.elapsed() > STABLE {
                patience.restore();
            }
            match response.event {
                Some(Event::Job(job)) => {
                    let job = Job::from(job);
                    self.progress.show(&job);
                    if job.has_ended() {
                        return Ok(job);
                    }
                    self.feed.set_working(job.phase == Some(Phase::Building));
                }
                Some(Event::Stdout(bytes)) => self.write(self.stdout, bytes, patience).await?,
                Some(Event::Stderr(bytes)) => self.write(Stream::Stderr, bytes, patience).await?,
                Some(Event::StdinReady(v1::StdinTaken { offset })) => {
                    self.feed.ready(offset).map_err(Broken::Stdin)?;
                }
                Some(Event::StdinTaken(v1::StdinTaken { offset })) => {
                    self.feed.taken(offset).map_err(Broken::Stdin)?;
                }
                Some(Event::Gap(v1::LogGap { offset: _, dropped_bytes })) => {
                    self.arrived = Arrived::Bytes(self.offset() + dropped_bytes);
                    self.progress.notice(&format!(
                        "here {} of the output are missing: the log had reached its quota",
                        size(dropped_bytes),
                    ));
                }
                // Of a newer kilnd.
                None => {}
            }
        }
    }

    async fn write(
        &mut self,
        stream: Stream,
        bytes: Bytes,
        patience: &mut Patience,
    ) -> Result<(), Broken> {
        self.progress.clear();
        patience.restore();
        self.arrived = Arrived::Bytes(self.offset() + bytes.len() as u64);
        self.output.write(stream, bytes).await.map_err(Broken::Output)
    }

    fn offset(&self) -> u64 {
        match self.arrived {
            Arrived::Nothing => 0,
            Arrived::Bytes(offset) => offset,
        }
    }

    fn lost(&self, cause: DaemonError) -> Broken {
        Broken::Lost { cause, arrived: self.arrived }
    }
}

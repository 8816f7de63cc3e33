//! The live streams of a job, from kilnd to our stdout and stderr.

use bytes::Bytes;
use kiln_proto::v1::{self, attach_job_request, attach_job_response::Event};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use super::progress::Progress;
use crate::{
    daemon::{Daemon, DaemonError},
    output::{Output, OutputError, Stream},
    record::Job,
};

/// Of what goes to kilnd: stdin is read no faster than the command takes it.
const QUEUE: usize = 4;

/// Why an attachment ended before its job did.
#[derive(Debug)]
pub(super) enum Broken {
    /// Without a cause, kilnd ended the stream in order and too early.
    Lost {
        cause: Option<DaemonError>,
        arrived: Arrived,
    },
    Output(OutputError),
}

/// How far an attachment came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// It never came about.
    Nothing,
    /// So many bytes of output, both streams together.
    Bytes(u64),
}

#[derive(Debug)]
pub(super) struct Attachment {
    output: Output,
    /// Where the command's stdout goes.
    stdout: Stream,
    progress: Progress,
    arrived: Arrived,
}

impl Attachment {
    /// Attaches, and moves output until the job has ended and every byte is written. While our own
    /// stdout is not read this waits, and so in the end does the command. Stdin goes into the
    /// sender, as long as which is kept the attachment stays open.
    pub(super) fn pump(
        daemon: Daemon,
        id: String,
        output: Output,
        stdout: Stream,
        progress: Progress,
    ) -> (impl Future<Output = Result<Job, Broken>>, mpsc::Sender<v1::AttachJobRequest>) {
        let (to_kilnd, requests) = mpsc::channel(QUEUE);
        let arrived = Arrived::Nothing;
        let attachment = Self { output, stdout, progress, arrived };
        let pump = attachment.run(daemon, id, ReceiverStream::new(requests));
        (pump, to_kilnd)
    }

    async fn run(
        mut self,
        daemon: Daemon,
        id: String,
        requests: ReceiverStream<v1::AttachJobRequest>,
    ) -> Result<Job, Broken> {
        let followed = self.follow(&daemon, id, requests).await;
        self.progress.clear();
        if let Err(Broken::Output(error)) = followed {
            return Err(Broken::Output(error));
        }
        // What has arrived is written even when no more will come.
        self.output.finish().await.map_err(Broken::Output)?;
        followed
    }

    async fn follow(
        &mut self,
        daemon: &Daemon,
        id: String,
        requests: ReceiverStream<v1::AttachJobRequest>,
    ) -> Result<Job, Broken> {
        let event = Some(attach_job_request::Event::Id(id));
        let requests = tokio_stream::once(v1::AttachJobRequest { event }).chain(requests);
        let mut responses =
            daemon.attach(requests).await.map_err(|cause| self.lost(Some(cause)))?;
        self.arrived = Arrived::Bytes(0);
        loop {
            let response = match responses.message().await {
                Ok(Some(response)) => response,
                Ok(None) => return Err(self.lost(None)),
                Err(status) => return Err(self.lost(Some(daemon.error(&status)))),
            };
            match response.event {
                Some(Event::Job(job)) => {
                    let job = Job::from(job);
                    self.progress.show(&job);
                    if job.has_ended() {
                        return Ok(job);
                    }
                }
                Some(Event::Stdout(bytes)) => self.write(self.stdout, bytes).await?,
                Some(Event::Stderr(bytes)) => self.write(Stream::Stderr, bytes).await?,
                // Of a newer kilnd.
                None => {}
            }
        }
    }

    async fn write(&mut self, stream: Stream, bytes: Bytes) -> Result<(), Broken> {
        self.progress.clear();
        if let Arrived::Bytes(count) = &mut self.arrived {
            *count += bytes.len() as u64;
        }
        self.output.write(stream, bytes).await.map_err(Broken::Output)
    }

    fn lost(&self, cause: Option<DaemonError>) -> Broken {
        Broken::Lost { cause, arrived: self.arrived }
    }
}

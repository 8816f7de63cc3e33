//! `AttachJob`: one client's stdin to the job, and the job's log to the client.
//!
//! ```text
//! requests ──▶ input ──▶ the job's side          changes of the job ─┐
//!                                                       pinned log ──┼──▶ answers
//!                                          what is said of stdin ────┘
//! ```
//!
//! *Happy path*: attached, the log is read from the client's offset on and waits for it, and the
//! job's end closes the stream. *Failure paths*: the client goes, and the log waits for as long as
//! the job does; another takes the place, and this one gets ABORTED; the job has ended before the
//! client came back, and it gets the rest.

mod input;
mod output;

use std::sync::Arc;

use kiln_proto::v1::{self, attach_job_response::Event};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tonic::{Status, Streaming};

use self::output::Output;
use super::{
    caller::Caller,
    incoming,
    jobs::{Answers, JobApi, answers},
    outgoing, status,
};
use crate::{
    job::{Job, Work},
    log::LogEvent,
    output::Reading,
    store::{AttachRefusal, Attached, ClientReports, JobHandle, Presence, Report},
    stream::Stream,
};

impl JobApi {
    pub(super) async fn attach(
        &self,
        caller: &Caller,
        mut requests: Streaming<v1::AttachJobRequest>,
    ) -> Result<Answers<v1::AttachJobResponse>, Status> {
        let (id, offset) = incoming::attach(requests.message().await?)?;
        let reading = self.parts.outputs.reading(&id);
        let handle = self.find(caller, &id).await?;
        let exec = match &handle.spec().work {
            Work::Exec(exec) => exec,
            Work::Build(_) => return Err(status::is_build(&handle)),
            Work::Rootfs(_) | Work::Boot(_) => return Err(status::attach(AttachRefusal::NotAsked)),
        };
        let takes = input::Takes { stdin: exec.stdin, terminal: exec.terminal.is_some() };
        let attached = match handle.attach_point().attach() {
            Ok(attached) => Some(attached),
            // It ended while its client was away: what is left is to be read.
            Err(AttachRefusal::Ended) if handle.attach_point().is_asked() => None,
            Err(refusal) => return Err(status::attach(refusal)),
        };
        let (answers, stream) = answers();
        let client = Client {
            api: self.clone(),
            handle,
            answers,
            output: Output::new(offset),
            _reading: reading,
        };
        tokio::spawn(client.serve(attached, takes, requests));
        Ok(stream)
    }
}

struct Client {
    api: JobApi,
    handle: Arc<JobHandle>,
    answers: mpsc::Sender<Result<v1::AttachJobResponse, Status>>,
    output: Output,
    _reading: Reading,
}

/// The client is gone, or has been told the last thing.
struct Over;

impl Client {
    async fn serve(
        mut self,
        attached: Option<Attached>,
        takes: input::Takes,
        requests: Streaming<v1::AttachJobRequest>,
    ) {
        // A task of its own: a command that does not read must not hold up its output. It ends with
        // this one.
        let mut input = JoinSet::new();
        let mut reports = None;
        if let Some(attached) = attached {
            input.spawn(input::forward(requests, attached.input, takes));
            reports = Some(attached.reports);
        }
        let Over = self.converse(&mut input, &mut reports).await;
        self.leave(reports);
    }

    /// Until the job's end has been told, or nobody listens.
    async fn converse(
        &mut self,
        input: &mut JoinSet<Result<(), Status>>,
        reports: &mut Option<ClientReports>,
    ) -> Over {
        let mut changes = self.handle.watch();
        if let Err(over) = self.tell_job().await {
            return over;
        }
        loop {
            let told = tokio::select! {
                biased;
                () = self.answers.closed() => Err(Over),
                report = said(reports) => self.tell_report(report).await,
                Some(refused) = input.join_next() => match refused {
                    Ok(Err(status)) => self.fail(status).await,
                    Ok(Ok(())) | Err(_) => Ok(()),
                },
                // The job's end is told behind the last byte, and the log ends before the job.
                event = self.output.next(&self.api, &self.handle) => match event {
                    Ok(Some(event)) => self.tell(event_of(event)).await,
                    Ok(None) => Ok(()),
                    Err(status) => self.fail(status).await,
                },
                changed = changes.changed(), if !ended(&changes) => match changed {
                    Ok(()) if ended(&changes) => Ok(()),
                    Ok(()) => self.tell_job().await,
                    Err(_) => Err(Over),
                },
            };
            if let Err(over) = told {
                return over;
            }
            if self.output.is_over() && ended(&changes) {
                let _ = self.tell_job().await;
                return Over;
            }
        }
    }

    /// A client that is expected back has its place in the log kept, so that nothing is dropped that
    /// it has not read.
    fn leave(self, reports: Option<ClientReports>) {
        let was_attached = reports.is_some();
        drop(reports);
        if let Presence::Expected { until } = self.handle.attach_point().presence()
            && was_attached
        {
            self.output.hold(until);
        }
    }

    async fn tell_job(&self) -> Result<(), Over> {
        self.tell(Event::Job(outgoing::job(&self.handle.snapshot()))).await
    }

    async fn tell_report(&self, report: Report) -> Result<(), Over> {
        match report {
            Report::StdinReady { offset } => {
                self.tell(Event::StdinReady(v1::StdinTaken { offset })).await
            }
            Report::StdinTaken { offset } => {
                self.tell(Event::StdinTaken(v1::StdinTaken { offset })).await
            }
            Report::Replaced => self.fail(status::replaced()).await,
            Report::Interrupted => self.fail(status::interrupted()).await,
        }
    }

    async fn tell(&self, event: Event) -> Result<(), Over> {
        let answer = v1::AttachJobResponse { event: Some(event) };
        self.answers.send(Ok(answer)).await.map_err(|_| Over)
    }

    async fn fail(&self, status: Status) -> Result<(), Over> {
        let _ = self.answers.send(Err(status)).await;
        Err(Over)
    }
}

async fn said(reports: &mut Option<ClientReports>) -> Report {
    match reports {
        Some(reports) => reports.next().await,
        None => std::future::pending().await,
    }
}

fn ended(changes: &watch::Receiver<Job>) -> bool {
    changes.borrow().has_ended()
}

fn event_of(event: LogEvent) -> Event {
    match event {
        LogEvent::Chunk { stream: Stream::Stdout, data, .. } => Event::Stdout(data),
        LogEvent::Chunk { stream: Stream::Stderr, data, .. } => Event::Stderr(data),
        LogEvent::Gap { offset, dropped_bytes } => Event::Gap(v1::LogGap { offset, dropped_bytes }),
    }
}

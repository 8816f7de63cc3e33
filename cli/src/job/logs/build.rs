//! `kiln job logs` of a build: its steps, as `--progress plain` shows them, on stdout.

use base64::{Engine, prelude::BASE64_STANDARD};
use kiln_proto::v1;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    args::LogArguments,
    build::{notes::Notes, render::Plain},
    daemon::{Daemon, DaemonError, Patience},
    output::{self, Output, Stream},
    record::{BuildEvent, BuildFault, StepLog, StepProgress},
};

#[derive(Debug, thiserror::Error)]
#[error("--timestamps is not for builds: each line says when it was in its step; --json has times")]
struct Timestamps;

struct Reader {
    output: Output,
    plain: Plain,
    notes: Notes,
    is_json: bool,
    /// Of what has not been printed.
    next: u64,
    /// That an ended build's log ended there before.
    is_over_at: Option<u64>,
}

pub(super) async fn run(daemon: &Daemon, id: &str, arguments: LogArguments) -> anyhow::Result<u8> {
    if arguments.timestamps {
        return Err(Timestamps.into());
    }
    let mut reader = Reader {
        output: Output::start()?,
        plain: Plain::default(),
        notes: Notes::default(),
        is_json: arguments.json,
        next: arguments.offset,
        is_over_at: None,
    };
    let mut patience = daemon.patience();
    loop {
        match reader.read(daemon, id, arguments.follow, &mut patience).await? {
            Ok(true) => break,
            Ok(false) => {}
            // From where it broke; nothing is printed twice.
            Err(error) => patience.endure(error).await?,
        }
    }
    let rest = reader.plain.finish();
    reader.output.write(Stream::Stdout, rest.into()).await?;
    reader.output.finish().await?;
    Ok(0)
}

impl Reader {
    /// Whether that was all. The inner error is kilnd's, the outer one our own.
    async fn read(
        &mut self,
        daemon: &Daemon,
        id: &str,
        follow: bool,
        patience: &mut Patience,
    ) -> anyhow::Result<Result<bool, DaemonError>> {
        let request = v1::ReadBuildLogRequest { id: id.to_owned(), offset: self.next, follow };
        let mut answers = match daemon.read_build_log(request).await {
            Ok(answers) => answers,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            match answers.message().await {
                Ok(Some(v1::ReadBuildLogResponse { next_offset, event })) => {
                    patience.restore();
                    self.next = self.next.max(next_offset);
                    if let Some(event) = event {
                        self.print(&event.into()).await?;
                    }
                }
                Ok(None) if follow => return Ok(self.end(daemon, id).await),
                Ok(None) => return Ok(Ok(true)),
                Err(status) => return Ok(Err(daemon.error(&status))),
            }
        }
    }

    /// A stream that ends in order may be that of a kilnd that stops.
    async fn end(&mut self, daemon: &Daemon, id: &str) -> Result<bool, DaemonError> {
        let job = daemon.job(id).await?;
        if !job.has_ended() {
            return Err(daemon.cut_short("the build's log"));
        }
        let is_all = self.next >= job.log.end_offset || self.is_over_at == Some(self.next);
        self.is_over_at = Some(self.next);
        Ok(is_all)
    }

    async fn print(&mut self, event: &BuildEvent) -> anyhow::Result<()> {
        let bytes = if self.is_json {
            output::json_line(&value(self.next, event))?
        } else {
            self.notes.take(event);
            let mut bytes = self.plain.event(event, Instant::now());
            if let BuildEvent::Fault(_) = event {
                bytes = self.plain.finish();
                bytes.extend(self.notes.fault().into_bytes());
            }
            bytes
        };
        if !bytes.is_empty() {
            self.output.write(Stream::Stdout, bytes.into()).await?;
        }
        Ok(())
    }
}

/// With the offset at which to go on.
fn value(next_offset: u64, event: &BuildEvent) -> Value {
    match event {
        BuildEvent::Step(step) => json!({ "next_offset": next_offset, "step": step }),
        BuildEvent::Log(StepLog { step, stream, time, data }) => {
            let mut log = json!({ "step": step, "stream": stream.name(), "time": time });
            match std::str::from_utf8(data) {
                Ok(text) => log["data"] = json!(text),
                Err(_) => log["data_base64"] = json!(BASE64_STANDARD.encode(data)),
            }
            json!({ "next_offset": next_offset, "log": log })
        }
        BuildEvent::Progress(progress) => {
            let StepProgress { step, id, current, total, started_at, completed_at } = progress;
            let progress = json!({
                "step": step,
                "id": id,
                "current": current,
                "total": total,
                "started_at": started_at,
                "completed_at": completed_at,
            });
            json!({ "next_offset": next_offset, "progress": progress })
        }
        BuildEvent::Warning(warning) => json!({ "next_offset": next_offset, "warning": warning }),
        BuildEvent::Fault(fault) => {
            let BuildFault { message, step, file, first_line, last_line, excerpt } = fault;
            let fault = json!({
                "message": message,
                "step": step,
                "file": file,
                "first_line": first_line,
                "last_line": last_line,
                "excerpt": excerpt,
            });
            json!({ "next_offset": next_offset, "fault": fault })
        }
        BuildEvent::Gap { dropped_bytes } => {
            json!({ "next_offset": next_offset, "dropped_bytes": dropped_bytes })
        }
    }
}

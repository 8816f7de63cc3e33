//! `kiln job logs`.

mod build;
mod event;
mod lines;

use bytes::Bytes;
use kiln_proto::v1;

use self::{
    event::{Chunk, Event},
    lines::Lines,
};
use crate::{
    args::LogArguments,
    daemon::{Daemon, DaemonError, Patience},
    display::size,
    output::{self, Output},
    report,
};

pub(super) async fn run(daemon: &Daemon, arguments: LogArguments) -> anyhow::Result<u8> {
    let id = daemon.resolve(&arguments.id).await?;
    if daemon.job(&id).await?.spec.build.is_some() {
        return build::run(daemon, &id, arguments).await;
    }
    let mut printer = Printer {
        output: Output::start()?,
        lines: Lines::default(),
        next: arguments.offset,
        arguments,
    };
    let mut patience = daemon.patience();
    loop {
        match printer.follow(daemon, &id, &mut patience).await? {
            Ok(()) => break,
            // From where it broke; nothing is printed twice.
            Err(error) => patience.endure(error).await?,
        }
    }
    printer.output.finish().await?;
    Ok(0)
}

struct Printer {
    arguments: LogArguments,
    output: Output,
    lines: Lines,
    /// The offset of what has not been printed.
    next: u64,
}

impl Printer {
    /// The inner error is kilnd's, the outer one our own.
    async fn follow(
        &mut self,
        daemon: &Daemon,
        id: &str,
        patience: &mut Patience,
    ) -> anyhow::Result<Result<(), DaemonError>> {
        let (id, offset, follow) = (id.to_owned(), self.next, self.arguments.follow);
        let request = v1::ReadLogRequest { id: id.clone(), offset, follow };
        let mut answers = match daemon.read_log(request).await {
            Ok(answers) => answers,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            match answers.message().await {
                Ok(Some(answer)) => {
                    patience.restore();
                    if let Some(event) = answer.event {
                        self.print(event.into()).await?;
                    }
                }
                Ok(None) if follow => return Ok(self.end(daemon, &id).await),
                Ok(None) => return Ok(Ok(())),
                Err(status) => return Ok(Err(daemon.error(&status))),
            }
        }
    }

    /// A stream that ends in order may be that of a kilnd that stops.
    async fn end(&self, daemon: &Daemon, id: &str) -> Result<(), DaemonError> {
        let job = daemon.job(id).await?;
        if job.has_ended() && self.next >= job.log.end_offset {
            Ok(())
        } else {
            Err(daemon.cut_short("the log"))
        }
    }

    async fn print(&mut self, event: Event) -> anyhow::Result<()> {
        self.next = match &event {
            Event::Chunk(Chunk { offset, data, .. }) => offset + data.len() as u64,
            Event::Gap { offset, dropped_bytes } => offset + dropped_bytes,
        };
        match event {
            event if self.arguments.json => output::print_json(&event)?,
            Event::Chunk(Chunk { offset: _, time, stream, data }) => {
                let data: Bytes = match time.filter(|_| self.arguments.timestamps) {
                    Some(time) => self.lines.stamp(stream, time, &data),
                    None => data,
                };
                self.output.write(stream, data).await?;
            }
            Event::Gap { dropped_bytes, .. } => report::error(&format!(
                "here {} of the log are missing: it had reached its quota",
                size(dropped_bytes),
            )),
        }
        Ok(())
    }
}

//! `kiln job logs`.

mod event;
mod lines;

use kiln_proto::v1;

use self::{event::Event, lines::Lines};
use crate::{
    args::LogArguments,
    daemon::Daemon,
    display::size,
    output::{self, Output},
    report,
};

pub(super) async fn run(daemon: &Daemon, arguments: LogArguments) -> anyhow::Result<u8> {
    let id = daemon.resolve(&arguments.id).await?;
    let (offset, follow) = (arguments.offset, arguments.follow);
    let mut answers = daemon.read_log(v1::ReadLogRequest { id, offset, follow }).await?;
    let mut output = Output::start()?;
    let mut lines = Lines::default();
    while let Some(answer) = answers.message().await.map_err(|status| daemon.error(&status))? {
        let Some(event) = answer.event.map(Event::from) else { continue };
        match event {
            event if arguments.json => output::print_json(&event)?,
            Event::Chunk(chunk) => {
                let data = match chunk.time.filter(|_| arguments.timestamps) {
                    Some(time) => lines.stamp(chunk.stream, time, &chunk.data),
                    None => chunk.data,
                };
                output.write(chunk.stream, data).await?;
            }
            Event::Gap { dropped_bytes, .. } => report::error(&format!(
                "here {} of the log are missing: it had reached its quota",
                size(dropped_bytes),
            )),
        }
    }
    output.finish().await?;
    Ok(0)
}

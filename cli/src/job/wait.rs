//! `kiln job wait`.

use crate::{args::WaitArguments, daemon::Daemon, exit_code, output, reason, record::Job, report};

pub(super) async fn run(daemon: &Daemon, arguments: WaitArguments) -> anyhow::Result<u8> {
    let mut first = 0;
    for id in &arguments.ids {
        let code = match wait(daemon, id).await {
            Ok(job) => {
                if let Some(reason) = reason::of(&job) {
                    report::error(&format!("{}: {reason}", job.id));
                }
                let code = job.exit_code.unwrap_or(exit_code::KILN);
                if arguments.json {
                    output::print_json(&job)?;
                } else {
                    output::print(format!("{code}\n").as_bytes())?;
                }
                code
            }
            Err(error) => {
                super::complain(id, &error);
                exit_code::KILN
            }
        };
        if first == 0 {
            first = code;
        }
    }
    Ok(first)
}

async fn wait(daemon: &Daemon, id: &str) -> anyhow::Result<Job> {
    let id = daemon.resolve(id).await?;
    Ok(daemon.ended(&id).await?)
}

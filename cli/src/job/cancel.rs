//! `kiln job cancel`.

use crate::{
    args::CancelArguments,
    daemon::Daemon,
    exit_code, output,
    record::{Job, State},
    report,
};

pub(super) async fn run(daemon: &Daemon, arguments: CancelArguments) -> anyhow::Result<u8> {
    let mut code = 0;
    for id in &arguments.ids {
        match cancel(daemon, id).await {
            Ok(job) if arguments.json => output::print_json(&job)?,
            Ok(job) => {
                if job.has_ended() && job.state != State::Cancelled {
                    let state = job.state.name();
                    report::error(&format!("{}: it had ended already ({state})", job.id));
                }
                output::print(format!("{}\n", job.id).as_bytes())?;
            }
            Err(error) => {
                super::complain(id, &error);
                code = exit_code::KILN;
            }
        }
    }
    Ok(code)
}

async fn cancel(daemon: &Daemon, id: &str) -> anyhow::Result<Job> {
    let id = daemon.resolve(id).await?;
    Ok(daemon.cancel(&id).await?)
}

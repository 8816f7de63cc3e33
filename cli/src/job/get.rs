//! `kiln job get`: the whole story of one job.

mod story;

use crate::{
    args::GetArguments,
    daemon::Daemon,
    output,
    record::{Build, Time},
};

pub(super) async fn run(daemon: &Daemon, arguments: GetArguments) -> anyhow::Result<u8> {
    let id = daemon.resolve(&arguments.id).await?;
    let job = daemon.job(&id).await?;
    if job.spec.build.is_some() {
        let build = Build::from(daemon.build(&id).await?);
        if arguments.json {
            output::print_json(&build)?;
        } else {
            output::print(story::of_build(&build, Time::now()).as_bytes())?;
        }
    } else if arguments.json {
        output::print_json(&job)?;
    } else {
        output::print(story::of(&job, Time::now()).as_bytes())?;
    }
    Ok(0)
}

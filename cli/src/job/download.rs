//! `kiln job download`: one output, after the fact.

use crate::{
    args::{Destination, DownloadArguments},
    daemon::Daemon,
    display::printable,
    download::{Place, download},
    progress::Progress,
    record::{DiskFormat, Job},
};

#[derive(Debug, thiserror::Error)]
enum NoOutput {
    #[error("job {id} has no outputs")]
    None { id: String },
    #[error("job {id} has no output {name:?}, but {}", .names.join(", "))]
    Other { id: String, name: String, names: Vec<String> },
    #[error("job {id} goes on: it has its outputs when it has completed")]
    Unfinished { id: String },
}

pub(super) async fn run(daemon: &Daemon, arguments: DownloadArguments) -> anyhow::Result<u8> {
    let id = daemon.resolve(&arguments.id).await?;
    let job = daemon.job(&id).await?;
    let DownloadArguments { id: _, name, destination, quiet } = arguments;
    let Some(output) = job.outputs.iter().find(|output| output.name == name) else {
        return Err(missing(&job, name).into());
    };
    let disk = job.spec.outputs.iter().find(|disk| disk.name == name);
    let destination = match disk.map(|disk| disk.format) {
        Some(DiskFormat::Raw) => Destination::of_file(&destination),
        _ => Destination::of_tar(&destination),
    };
    let place = Place::check(&destination)?;
    let progress = Progress::start(quiet);
    let daemon = daemon.clone().quietly(quiet);
    tokio::select! {
        downloaded = download(&daemon, &job.id, output, &place, &progress) => downloaded?,
        // Leaving this function removes what is not whole.
        interrupted = crate::run::interrupted() => return interrupted,
    }
    progress.clear();
    Ok(0)
}

fn missing(job: &Job, name: String) -> NoOutput {
    let id = job.id.clone();
    let names: Vec<_> =
        job.outputs.iter().map(|output| printable(&output.name).into_owned()).collect();
    match names[..] {
        [] if !job.has_ended() => NoOutput::Unfinished { id },
        [] => NoOutput::None { id },
        _ => NoOutput::Other { id, name, names },
    }
}

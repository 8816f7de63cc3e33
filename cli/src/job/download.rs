//! `kiln job download`: one output, after the fact.

use super::artifacts;
use crate::{
    args::{Destination, DownloadArguments},
    daemon::Daemon,
    display::printable,
    download::{Place, download, download_artifact},
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
    if job.spec.has_artifacts() {
        return artifact(daemon, &job, arguments).await;
    }
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

async fn artifact(daemon: &Daemon, job: &Job, arguments: DownloadArguments) -> anyhow::Result<u8> {
    let DownloadArguments { id: _, name, destination, quiet } = arguments;
    let names: Vec<_> =
        artifacts::list(daemon, &job.id).await?.into_iter().map(|artifact| artifact.name).collect();
    if !names.contains(&name) {
        return Err(no_output(job, name, &names).into());
    }
    let destination = if job.spec.rootfs.is_some() {
        // Unpacked, a root filesystem would lose what makes it one: owners, rights, devices.
        Destination::of_file(&destination)
    } else {
        Destination::of_tar(&destination)
    };
    let place = Place::check(&destination)?;
    let progress = Progress::start(quiet);
    let daemon = daemon.clone().quietly(quiet);
    tokio::select! {
        downloaded = download_artifact(&daemon, &job.id, &name, &place, &progress) => downloaded?,
        // Leaving this function removes what is not whole.
        interrupted = crate::run::interrupted() => return interrupted,
    }
    progress.clear();
    Ok(0)
}

fn missing(job: &Job, name: String) -> NoOutput {
    let names: Vec<_> = job.outputs.iter().map(|output| output.name.clone()).collect();
    no_output(job, name, &names)
}

fn no_output(job: &Job, name: String, names: &[String]) -> NoOutput {
    let id = job.id.clone();
    let names: Vec<_> = names.iter().map(|name| printable(name).into_owned()).collect();
    match names[..] {
        [] if !job.has_ended() => NoOutput::Unfinished { id },
        [] => NoOutput::None { id },
        _ => NoOutput::Other { id, name, names },
    }
}

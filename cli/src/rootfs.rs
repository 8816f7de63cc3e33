//! `kiln rootfs`: an image in, a root filesystem out, as if it was made here.
//!
//! ```text
//! flags, place, image: all looked at ─┬─ --run: a build of it ─┐
//!                                     └─ a file: sent ─────────┴─▶ create ──▶ follow the log
//!   ──▶ what was made, or why not ──▶ fetched to its place ──▶ exit code
//! ```
//! `kiln build -o type=rootfs` goes the same way from *create* on.

mod commands;
mod deliver;
mod ending;
mod image;
mod make;
mod request;

use std::{path::Path, time::Duration};

use anyhow::Context;
use kiln_proto::v1;

use self::{
    commands::{Commands, Ran},
    image::Image,
};
pub(crate) use self::{
    deliver::{Places, deliver},
    ending::summary,
    make::{Made, make},
    request::{Resources, duration, probe, spec},
};
use crate::{
    args::{Destination, RootfsArguments},
    daemon::Daemon,
    download::{Place, PlaceError},
    exit_code, output,
    progress::Progress,
    run::{self, Egress, fresh_key, signals::Signals},
};

#[derive(Debug, thiserror::Error)]
enum RootfsError {
    #[error("it has no place: add --output FILE, or --detach to leave it on the host")]
    NoPlace,
    #[error("--{flag} {path}")]
    Place { flag: &'static str, path: String, source: PlaceError },
    #[error("stdout can be one thing: the root filesystem, or the record of --json")]
    StdoutTwice,
}

pub(crate) async fn run(
    socket: &Path,
    reconnect: Duration,
    arguments: RootfsArguments,
) -> anyhow::Result<u8> {
    arguments.options.check()?;
    let places = places(&arguments)?;
    let egress =
        Egress::of(arguments.egress.as_ref(), arguments.egress_lock.as_deref(), arguments.detach)?;
    let image = Image::of(&arguments)?;
    let commands = Commands::of(&arguments, &image)?;
    let daemon = Daemon::connect(socket, reconnect).await?.quietly(arguments.quiet);
    match places {
        None => detach(&daemon, image, &arguments).await,
        Some(places) => {
            let making = Making { daemon, image, commands, egress, places };
            Box::pin(making.run(arguments)).await
        }
    }
}

/// `None` for one that nobody waits for.
fn places(arguments: &RootfsArguments) -> Result<Option<Places>, RootfsError> {
    if arguments.detach {
        return Ok(None);
    }
    let place = |flag, path: &str| {
        let wrong = |source| RootfsError::Place { flag, path: path.to_owned(), source };
        Place::check(&Destination::of_file(path)).map_err(wrong)
    };
    let to = place("output", arguments.output.as_deref().ok_or(RootfsError::NoPlace)?)?;
    let metadata = arguments.metadata.as_ref().map(|path| path.display().to_string());
    let metadata = metadata.map(|path| place("metadata", &path)).transpose()?;
    let to_stdout = [Some(&to), metadata.as_ref()].into_iter().flatten();
    let stdouts = to_stdout.filter(|place| **place == Place::Stdout).count();
    if stdouts + usize::from(arguments.json) > 1 && stdouts > 0 {
        return Err(RootfsError::StdoutTwice);
    }
    Ok(Some(Places { to, metadata }))
}

async fn detach(daemon: &Daemon, image: Image, arguments: &RootfsArguments) -> anyhow::Result<u8> {
    let progress = Progress::start(arguments.quiet);
    let source = tokio::select! {
        sent = image.send(daemon, arguments, &progress) => sent?,
        interrupted = run::interrupted() => return interrupted,
    };
    let job = run::create(daemon, request(arguments, source, &[])?).await?;
    progress.clear();
    if arguments.json {
        output::print_json(&job)?;
    } else {
        output::print(format!("{}\n", job.id).as_bytes())?;
    }
    Ok(exit_code::DONE)
}

fn request(
    arguments: &RootfsArguments,
    source: v1::rootfs_spec::Source,
    commands: &[String],
) -> anyhow::Result<v1::CreateJobRequest> {
    let spec = spec(&arguments.options, source, arguments.platform.as_ref(), commands)?;
    let resources = Resources::of(arguments);
    Ok(v1::CreateJobRequest {
        project: arguments.project.clone().unwrap_or_default(),
        idempotency_key: match &arguments.idempotency_key {
            Some(key) => key.clone(),
            None => fresh_key()?,
        },
        spec: Some(resources.job(spec)?),
    })
}

/// All that was looked at.
struct Making {
    daemon: Daemon,
    image: Image,
    commands: Option<Commands>,
    egress: Egress,
    places: Places,
}

impl Making {
    async fn run(self, arguments: RootfsArguments) -> anyhow::Result<u8> {
        let Self { daemon, image, commands, egress, places } = self;
        let mut signals = Signals::catch()?;
        let source = match commands {
            None => {
                let progress = Progress::start(arguments.quiet);
                // Nothing is begun before a job is asked for.
                let sent = tokio::select! {
                    sent = image.send(&daemon, &arguments, &progress) => sent?,
                    () = signals.next() => return Ok(exit_code::CANCELLED),
                };
                progress.clear();
                sent
            }
            Some(commands) => {
                match commands.run(&daemon, &arguments, &egress, &mut signals).await? {
                    Ran::Built(source) => source,
                    Ran::Ended(code) => return Ok(code),
                }
            }
        };
        let request = request(&arguments, source, &arguments.run)?;
        let job = match make(&daemon, request, &mut signals, arguments.quiet).await? {
            Made::Ended(job) => job,
            Made::Left(code) => return Ok(code),
        };
        let delivered = deliver(&daemon, &job, &places, &mut signals, arguments.quiet).await;
        if arguments.json {
            output::print_json(&job)?;
        } else if !arguments.quiet {
            summary(&job);
        }
        let id = &job.id;
        delivered.with_context(|| {
            format!("job {id} has completed; `kiln job download {id} NAME FILE` tries again")
        })
    }
}

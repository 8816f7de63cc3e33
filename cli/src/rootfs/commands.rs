//! `--run`: a build of the image with these commands, before its root filesystem is made.
//!
//! ```text
//! pull ──▶ which image, and who its user is ──▶ FROM it, USER 0, RUN …, USER as it was ──▶ its id
//! ```
//! The commands are words of JSON in the Dockerfile, so nothing of them is anything but theirs.

mod base;
mod dockerfile;

use kiln_proto::v1::{self, build_export, build_spec::Dockerfile, job_spec::Work, rootfs_spec};

use self::{
    base::{Base, base, part},
    dockerfile::dockerfile,
};
use super::{image::Image, request::Resources};
use crate::{
    args::{ProgressMode, RootfsArguments},
    build::{
        made::{Made, Shown, make},
        ssh,
    },
    daemon::{Daemon, DaemonError},
    exit_code,
    image::pull,
    progress::Progress,
    run::{Egress, fresh_key, signals::Signals},
};

const EXPORT: &str = "image";

/// Of an image that has a name.
#[derive(Debug)]
pub(super) struct Commands {
    reference: String,
    commands: Vec<String>,
}

pub(super) enum Ran {
    Built(rootfs_spec::Source),
    /// What to exit with.
    Ended(u8),
}

#[derive(Debug, thiserror::Error)]
pub(super) enum CommandsError {
    #[error(
        "--run is for an image with a name: `kiln image import FILE local/NAME` gives a tar one, and \
         `kiln build -t local/NAME` a build's"
    )]
    NoName,
    #[error("--run names no command")]
    Empty,
    #[error("{reference} has no image for {platform}: it has {}", .known.join(", "))]
    NoPlatform { reference: String, platform: String, known: Vec<String> },
    #[error("{reference} is for several platforms ({}): add --platform", .known.join(", "))]
    Platforms { reference: String, known: Vec<String> },
    #[error("{reference} is no image that commands can be run in: it has no configuration")]
    NoConfig { reference: String },
    #[error("no command can be run in {reference}: its user {user:?} is none")]
    User { reference: String, user: String },
    #[error(transparent)]
    Daemon(#[from] DaemonError),
}

impl Commands {
    /// `None` without `--run`.
    pub(super) fn of(
        arguments: &RootfsArguments,
        image: &Image,
    ) -> Result<Option<Self>, CommandsError> {
        if arguments.run.is_empty() {
            return Ok(None);
        }
        if arguments.run.iter().any(|command| command.trim().is_empty()) {
            return Err(CommandsError::Empty);
        }
        let Image::Reference(reference) = image else { return Err(CommandsError::NoName) };
        Ok(Some(Self { reference: reference.clone(), commands: arguments.run.clone() }))
    }

    pub(super) async fn run(
        self,
        daemon: &Daemon,
        arguments: &RootfsArguments,
        egress: &Egress,
        signals: &mut Signals,
    ) -> anyhow::Result<Ran> {
        let mode = arguments.progress.map_or_else(ProgressMode::of_environment, Ok)?;
        let progress = Progress::start(arguments.quiet);
        let base = tokio::select! {
            base = self.base(daemon, arguments, &progress) => base?,
            () = signals.next() => return Ok(Ran::Ended(exit_code::CANCELLED)),
        };
        let request = self.request(&base, arguments, egress)?;
        let shown = Shown { progress: mode, is_quiet: arguments.quiet, is_json: arguments.json };
        let agents = ssh::Agents::new(Vec::new());
        let made = make(daemon, request, agents, shown, signals, &progress).await?;
        let mut build = match made {
            Made::Ended(build) => build,
            Made::Left(code) => return Ok(Ran::Ended(code)),
        };
        tokio::select! {
            settled = egress.settle(daemon, &mut build.job, arguments.quiet) => settled?,
            () = signals.next() => return Ok(Ran::Ended(exit_code::CANCELLED)),
        }
        if !build.has_completed() {
            if arguments.json {
                crate::output::print_json(&build)?;
            }
            return Ok(Ran::Ended(build.job.exit_code.unwrap_or(exit_code::KILN)));
        }
        let (build_id, export) = (build.job.id.clone(), EXPORT.to_owned());
        Ok(Ran::Built(rootfs_spec::Source::Build(v1::BuiltImageSource { build_id, export })))
    }

    /// The one image that the reference means now.
    async fn base(
        &self,
        daemon: &Daemon,
        arguments: &RootfsArguments,
        progress: &Progress,
    ) -> Result<Base, CommandsError> {
        let reference = &self.reference;
        let platform = arguments.platform.as_ref().map(|platform| platform.0.as_str());
        let name = if reference.starts_with("local/") {
            reference.clone()
        } else {
            let request = v1::PullImageRequest {
                reference: reference.clone(),
                platform: platform.unwrap_or_default().to_owned(),
            };
            pull(daemon, &request, progress).await?.image.pinned()
        };
        let mut details = daemon.image(&name).await?;
        if details.config.is_none() {
            let digest = part(reference, platform, &details)?;
            details = daemon.image(&format!("{}@{digest}", details.image.name)).await?;
        }
        base(reference, &details)
    }

    fn request(
        &self,
        base: &Base,
        arguments: &RootfsArguments,
        egress: &Egress,
    ) -> anyhow::Result<v1::CreateBuildRequest> {
        let kind = Some(build_export::Kind::Image(v1::ImageExport::default()));
        let dockerfile = dockerfile(base, &self.commands);
        let build = v1::BuildSpec {
            dockerfile: Some(Dockerfile::DockerfileInline(dockerfile.into())),
            platforms: arguments.platform.iter().map(|platform| platform.0.clone()).collect(),
            exports: vec![v1::BuildExport { name: EXPORT.to_owned(), kind }],
            ..v1::BuildSpec::default()
        };
        Ok(v1::CreateBuildRequest {
            project: arguments.project.clone().unwrap_or_default(),
            // A second request with the key of the job's would be another's.
            idempotency_key: match &arguments.idempotency_key {
                Some(key) => format!("{key}-run"),
                None => fresh_key()?,
            },
            spec: Some(v1::JobSpec {
                work: Some(Work::Build(build)),
                egress: Some(egress.wire()),
                ..Resources::of(arguments).spec()?
            }),
            secrets: Vec::new(),
        })
    }
}

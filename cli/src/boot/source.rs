//! What is booted: a file from here, which is sent once for as long as it stays as it is, or what a
//! job left on the host.

use std::path::{Path, PathBuf};

use kiln_proto::v1::{self, boot_spec, job_spec::Work};

use crate::{
    args::BootArguments,
    daemon::Daemon,
    progress::Progress,
    source::{Known, WholeFile, WholeFileError, send},
};

#[derive(Debug)]
pub(super) enum Source {
    File {
        path: PathBuf,
        file: Box<WholeFile>,
    },
    /// By its id or the beginning of one.
    Job {
        id: String,
        artifact: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error(transparent)]
    File(#[from] WholeFileError),
    #[error("--job names nothing: write ID, or ID:ARTIFACT as `kiln job outputs` shows it")]
    Job,
    #[error("it boots nothing: name a file, or add --job ID")]
    Nothing,
}

impl Source {
    /// And the words behind it.
    pub(super) fn of(arguments: &BootArguments) -> Result<(Self, &[String]), SourceError> {
        if let Some(job) = &arguments.job {
            let (id, artifact) = job.split_once(':').unwrap_or((job, ""));
            if id.is_empty() || (artifact.is_empty() && job.contains(':')) {
                return Err(SourceError::Job);
            }
            let (id, artifact) = (id.to_owned(), artifact.to_owned());
            return Ok((Self::Job { id, artifact }, &arguments.words));
        }
        let [path, words @ ..] = &arguments.words[..] else { return Err(SourceError::Nothing) };
        let path = Path::new(path).to_owned();
        let file = Box::new(WholeFile::open(&path)?);
        Ok((Self::File { path, file }, words))
    }

    /// Brings it to kilnd and writes it into the request.
    pub(super) async fn send(
        self,
        daemon: &Daemon,
        mut request: v1::CreateJobRequest,
        progress: &Progress,
    ) -> anyhow::Result<v1::CreateJobRequest> {
        let source = match self {
            Self::File { path, file } => {
                let (name, known) = (path.display().to_string(), Known::File(*file));
                let id = send(daemon, &request.project, &name, known, progress).await?;
                boot_spec::Source::SourceId(id)
            }
            Self::Job { id, artifact } => {
                let job_id = daemon.resolve(&id).await?;
                boot_spec::Source::Rootfs(v1::RootfsSource { job_id, artifact })
            }
        };
        if let Some(Work::Boot(boot)) = &mut request.spec.get_or_insert_default().work {
            boot.source = Some(source);
        }
        Ok(request)
    }
}

//! The context, the Dockerfile and named contexts: looked at before anything is begun, and sent.

use std::{
    env,
    io::{self, Read},
    path::{Path, PathBuf},
};

use kiln_context::{
    Cache, Choice, Context, ContextError, Dockerfile, Stdin, StdinError, read_stdin,
};
use kiln_proto::v1::{self, build_spec, named_context::From};

use crate::{
    args::{BuildArguments, BuildSource, NamedFrom},
    daemon::Daemon,
    progress::Progress,
    source::{Known, SendError, send},
};

/// As kilnd has it.
const LONGEST_DOCKERFILE: u64 = 2 << 20;
/// What is kept of stdin, in the directory for temporary files.
const LARGEST_STDIN: u64 = 64 << 30;

#[derive(Debug)]
pub(super) struct Sources {
    context: Option<Source>,
    dockerfile: Option<build_spec::Dockerfile>,
    named: Vec<Source>,
}

/// By its own name, or as people know it.
#[derive(Debug)]
struct Source {
    name: String,
    context: Context,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SourcesError {
    #[error("unable to prepare context: path {:?} not found", path)]
    NoContext { path: PathBuf },
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Stdin(#[from] StdinError),
    #[error("the Dockerfile on stdin cannot be read")]
    Dockerfile(#[source] io::Error),
    #[error("stdin can be one thing: the context (-), or the Dockerfile (--file -)")]
    StdinTwice,
    #[error("--build-context {name}")]
    Named { name: String, source: ContextError },
}

impl Sources {
    pub(super) fn of(arguments: &BuildArguments) -> Result<Self, SourcesError> {
        let cache = Cache::of_user(|name| env::var_os(name));
        let file = arguments.file.as_deref();
        let on_stdin = file == Some(Path::new("-"));
        let mut dockerfile = None;
        let context = match &arguments.source {
            BuildSource::Stdin if on_stdin => return Err(SourcesError::StdinTwice),
            BuildSource::Stdin => match read_stdin(io::stdin().lock(), file, LARGEST_STDIN)? {
                Stdin::Context(context) => Some(("stdin".to_owned(), *context)),
                Stdin::Dockerfile(content) => {
                    dockerfile = Some(Dockerfile::Inline(content));
                    None
                }
            },
            BuildSource::Directory(path) => {
                if !path.exists() {
                    return Err(SourcesError::NoContext { path: path.clone() });
                }
                let choice = match file {
                    None => Choice::Usual,
                    Some(_) if on_stdin => Choice::Given(from_stdin()?),
                    Some(file) => Choice::File(file.to_owned()),
                };
                let context = Context::of_build(path, choice, cache.clone())?;
                Some((path.display().to_string(), context))
            }
        };
        let context = context.map(|(name, context)| Source { name, context });
        if let Some(Source { context, .. }) = &context {
            dockerfile = context.dockerfile().cloned();
        }
        let mut named = Vec::new();
        for context in &arguments.build_context {
            if let NamedFrom::Directory(path) = &context.from {
                let name = context.name.clone();
                let context = Context::named(path, cache.clone())
                    .map_err(|source| SourcesError::Named { name: name.clone(), source })?;
                named.push(Source { name, context });
            }
        }
        Ok(Self { context, dockerfile: dockerfile.map(wire), named })
    }

    /// Sends them and writes them into the request.
    pub(super) async fn send(
        self,
        daemon: &Daemon,
        mut request: v1::CreateBuildRequest,
        progress: &Progress,
    ) -> Result<v1::CreateBuildRequest, SendError> {
        let project = request.project.clone();
        let spec = request.spec.get_or_insert_default();
        let Some(v1::job_spec::Work::Build(build)) = &mut spec.work else { return Ok(request) };
        build.dockerfile = self.dockerfile;
        if let Some(Source { name, context }) = self.context {
            let context = Known::Context(context);
            build.context_source_id = send(daemon, &project, &name, context, progress).await?;
        }
        for Source { name, context } in self.named {
            let known = Known::Context(context);
            let id = send(daemon, &project, &name, known, progress).await?;
            if let Some(context) = build.contexts.iter_mut().find(|known| known.name == name) {
                context.from = Some(From::SourceId(id));
            }
        }
        Ok(request)
    }
}

fn wire(dockerfile: Dockerfile) -> build_spec::Dockerfile {
    match dockerfile {
        Dockerfile::Path(path) => build_spec::Dockerfile::DockerfilePath(path),
        Dockerfile::Inline(content) => build_spec::Dockerfile::DockerfileInline(content.into()),
    }
}

/// One byte more than may be: what is too long is told by who takes it.
fn from_stdin() -> Result<Vec<u8>, SourcesError> {
    let mut content = Vec::new();
    let read = io::stdin().lock().take(LONGEST_DOCKERFILE + 1).read_to_end(&mut content);
    read.map_err(SourcesError::Dockerfile)?;
    Ok(content)
}

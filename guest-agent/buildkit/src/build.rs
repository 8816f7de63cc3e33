//! A build from its order to its end.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    Done, Export, Failure, Order, Report, Secret,
    engine::{Calls, EngineError},
    metadata,
    out::{Out, Teller},
    random,
    request::{Asked, InvalidOrder, request},
    session::{Agents, Directories, Exports, Secrets, Session, SshError},
    solve::SolveError,
};

/// Runs what the order in the file `order` says, and tells of it on standard output.
pub fn main(order: &Path) -> ExitCode {
    // Without a thread there is nobody to tell.
    let Ok(out) = Out::begin() else { return ExitCode::FAILURE };
    let end = read(order).and_then(|order| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(BuildError::Runtime)?.block_on(build(&order, out.teller()))
    });
    let (report, code) = match end {
        Ok(done) => (Report::Done(done), ExitCode::SUCCESS),
        Err(BuildError::Solve(SolveError::Failed(failure))) => {
            (Report::Failed(failure), ExitCode::FAILURE)
        }
        Err(error) => (Report::Failed(Failure::ours(&error)), ExitCode::FAILURE),
    };
    out.end(report).map_or(ExitCode::FAILURE, |()| code)
}

#[derive(Debug, thiserror::Error)]
enum BuildError {
    #[error("cannot read the order {}", path.display())]
    Order { path: PathBuf, source: io::Error },
    #[error("the order {} is none", path.display())]
    NoOrder { path: PathBuf, source: serde_json::Error },
    #[error("no runtime can be made")]
    Runtime(#[source] io::Error),
    #[error("no empty directory can be made to stand for the context")]
    Empty(#[source] io::Error),
    #[error("failed to stat {}", path.display())]
    Missing { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Invalid(#[from] InvalidOrder),
    #[error(transparent)]
    Ssh(#[from] SshError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Solve(#[from] SolveError),
}

fn read(path: &Path) -> Result<Order, BuildError> {
    let text =
        fs::read(path).map_err(|source| BuildError::Order { path: path.to_owned(), source })?;
    serde_json::from_slice(&text)
        .map_err(|source| BuildError::NoOrder { path: path.to_owned(), source })
}

async fn build(order: &Order, teller: Teller) -> Result<Done, BuildError> {
    check(order)?;
    let id = random::id();
    let empty = Empty::new(order)?;
    let Asked { solve, directories } = request(order, &id, empty.path())?;
    let session = Session {
        directories: Directories(directories),
        exports: Exports(order.exports.iter().map(|Export { path, .. }| path.clone()).collect()),
        secrets: Secrets(
            order.secrets.iter().map(|Secret { id, path }| (id.clone(), path.clone())).collect(),
        ),
        agents: Agents::start(&order.ssh).await?,
    };
    // Both greet at once.
    let (calls, _session) =
        tokio::try_join!(Calls::connect(&order.engine), session.serve(&order.engine, &id))?;
    let response = crate::solve::solve(calls, solve, &teller).await?;
    Ok(Done { metadata: metadata::json(response.exporter_response) })
}

/// What is not there is told before anything runs.
fn check(order: &Order) -> Result<(), BuildError> {
    let files = order.secrets.iter().map(|Secret { path, .. }| path);
    for path in files.chain(order.exports.iter().map(|Export { path, .. }| path)) {
        fs::metadata(path).map_err(|source| BuildError::Missing { path: path.clone(), source })?;
    }
    Ok(())
}

/// A directory that is not there any more after the build.
struct Empty(Option<PathBuf>);

impl Empty {
    fn new(order: &Order) -> Result<Self, BuildError> {
        if order.context.is_some() {
            return Ok(Self(None));
        }
        let path = std::env::temp_dir().join(format!("empty-{}", random::id()));
        fs::create_dir(&path).map_err(BuildError::Empty)?;
        Ok(Self(Some(path)))
    }

    fn path(&self) -> PathBuf {
        self.0.clone().unwrap_or_default()
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Empty as it is, nobody minds it.
            let _ = fs::remove_dir(path);
        }
    }
}

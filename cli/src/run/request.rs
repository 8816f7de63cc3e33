//! What was typed, as kilnd wants it. What was left out is kilnd's to fill in.

use kiln_proto::v1;

use super::environment::{self, EnvironmentError};
use crate::args::RunArguments;

#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("a job has no terminal: leave -t out; -i alone passes stdin on")]
    Tty,
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error("the timeout is longer than the wire can carry")]
    Timeout,
}

pub(super) fn from_arguments(
    arguments: &RunArguments,
) -> Result<v1::CreateJobRequest, RequestError> {
    if arguments.tty {
        return Err(RequestError::Tty);
    }
    let timeout = arguments.timeout.map(prost_types::Duration::try_from).transpose();
    let env = environment::gather(arguments, |name| std::env::var_os(name))?;
    Ok(v1::CreateJobRequest {
        project: arguments.project.clone().unwrap_or_default(),
        spec: Some(v1::JobSpec {
            cpus: arguments.cpus.unwrap_or_default(),
            memory_bytes: arguments.memory.unwrap_or_default(),
            disk_bytes: arguments.disk.unwrap_or_default(),
            timeout: timeout.map_err(|_| RequestError::Timeout)?,
            attach: !arguments.detach,
            work: Some(v1::job_spec::Work::Exec(v1::ExecSpec {
                argv: arguments.command.clone(),
                env: env
                    .into_iter()
                    .map(|(name, value)| v1::EnvironmentVariable { name, value })
                    .collect(),
                workdir: arguments.workdir.clone().unwrap_or_default(),
                user: arguments.user.clone().unwrap_or_default(),
                stdin: arguments.interactive,
            })),
        }),
    })
}

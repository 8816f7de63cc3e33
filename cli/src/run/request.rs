//! What was typed, as kilnd wants it, but for its disks. What was left out is kilnd's to fill in.

use kiln_proto::v1;
use rustix::rand::{GetRandomFlags, getrandom};

use super::{
    egress::Egress,
    environment::{self, EnvironmentError},
};
use crate::{
    args::RunArguments,
    terminal::{self, TerminalError},
};

#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    #[error(transparent)]
    Key(#[from] std::io::Error),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error("the timeout is longer than the wire can carry")]
    Timeout,
}

pub(super) fn from_arguments(
    arguments: &RunArguments,
    egress: &Egress,
) -> Result<v1::CreateJobRequest, RequestError> {
    if arguments.tty && !terminal::is_there() {
        return Err(TerminalError::None.into());
    }
    let timeout = arguments.timeout.map(prost_types::Duration::try_from).transpose();
    let mut env =
        environment::gather(&arguments.env_file, &arguments.env, |name| std::env::var_os(name))?;
    if let (true, Ok(kind)) = (arguments.tty, std::env::var("TERM")) {
        env.entry("TERM".to_owned()).or_insert(kind);
    }
    let idempotency_key = match &arguments.idempotency_key {
        Some(key) => key.clone(),
        None => fresh_key()?,
    };
    Ok(v1::CreateJobRequest {
        project: arguments.project.clone().unwrap_or_default(),
        idempotency_key,
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
                stdin: arguments.interactive || arguments.tty,
                terminal: arguments.tty.then(terminal::size),
            })),
            inputs: Vec::new(),
            outputs: Vec::new(),
            egress: Some(egress.wire()),
        }),
    })
}

/// Nobody else's, so that asking again is asking for the same.
pub(crate) fn fresh_key() -> std::io::Result<String> {
    let mut random = [0; 16];
    getrandom(&mut random, GetRandomFlags::empty())?;
    Ok(format!("kiln-{:032x}", u128::from_ne_bytes(random)))
}

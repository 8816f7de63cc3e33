//! Whose name and password a registry gets: what the operator's file has for the tenant and that host.

mod docker_config;
mod helper;

use std::{path::PathBuf, time::Duration};

use super::secret::Secret;
use crate::{
    name::Host,
    registries::{Credential, InsecureFile, Reader, Registries},
};

const MAX_PASSWORD_BYTES: u64 = 16 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    Password {
        username: String,
        password: Secret,
    },
    /// Exchanged for a token; never a password.
    Identity(Secret),
}

/// Where it lies, never what it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialError {
    #[error(transparent)]
    File(#[from] InsecureFile),
    #[error("{} is no docker configuration: {reason}", path.display())]
    DockerConfig { path: PathBuf, reason: String },
    #[error("{} holds no password of one line", path.display())]
    Password { path: PathBuf },
    #[error("`{name}` is no name of a credential helper")]
    HelperName { name: String },
    #[error("the credential helper {program} {reason}")]
    Helper { program: String, reason: String },
}

/// The first that there is.
pub(super) async fn login(
    registries: &Registries,
    tenant: &str,
    host: &Host,
    limit: Duration,
) -> Result<Option<Login>, CredentialError> {
    for credential in registries.credentials(tenant, host) {
        let found = match credential.clone() {
            Credential::Static { username, password_file, .. } => {
                let reading = off_thread(move || password(password_file));
                Some(Login::Password { username, password: reading.await? })
            }
            Credential::DockerConfig { path, .. } => {
                docker_config::login(path, host, limit).await?
            }
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn password(path: PathBuf) -> Result<Secret, CredentialError> {
    let bytes = Reader::Owner.read(&path, MAX_PASSWORD_BYTES)?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.chars().any(char::is_control) {
        return Err(CredentialError::Password { path });
    }
    Ok(Secret::new(line))
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime goes away, and this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}

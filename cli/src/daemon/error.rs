//! What goes wrong between this command and kilnd, once they are connected.

use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Duration,
};

use tonic::{Code, Status};

use crate::display::printable;

#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    /// What was asked for cannot be had; kilnd's words say why.
    #[error("{message}")]
    Refused { message: String },
    /// It is not there.
    #[error("{message}")]
    NotFound { message: String },
    /// A registry outside refused or failed.
    #[error("{message}{}", advice(*.status, host))]
    Registry { host: String, status: Option<u16>, message: String },
    #[error("lost kilnd at {}: {cause}", socket.display())]
    Lost { socket: PathBuf, cause: String },
    #[error("kilnd has been away for {} s; {cause}", limit.as_secs())]
    Away { limit: Duration, cause: Box<Self> },
    #[error("kilnd at {} does not know this call: it is older than this kiln", socket.display())]
    Older { socket: PathBuf },
    #[error("kilnd at {} failed ({code:?}): {message}", socket.display())]
    Failed { socket: PathBuf, code: Code, message: String },
    #[error("kilnd at {} has not answered within {} s", socket.display(), limit.as_secs())]
    Silent { socket: PathBuf, limit: Duration },
    #[error("the answer of kilnd at {} has no {field}", socket.display())]
    Malformed { socket: PathBuf, field: &'static str },
}

impl DaemonError {
    /// Whether kilnd may be back soon, and know the job then.
    pub(crate) fn is_loss(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Silent { .. } => true,
            Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::Registry { .. }
            | Self::Away { .. }
            | Self::Older { .. }
            | Self::Failed { .. }
            | Self::Malformed { .. } => false,
        }
    }

    pub(super) fn new(socket: &Path, status: &Status) -> Self {
        let socket = socket.to_owned();
        // Only what broke on this side of the wire has a source; kilnd's own answers have none.
        if status.source().is_some() {
            return Self::Lost { socket, cause: root_cause(status) };
        }
        let message = printable(status.message()).into_owned();
        let metadata = |name| Some(status.metadata().get(name)?.to_str().ok()?.to_owned());
        if let Some(host) = metadata("kiln-registry-host") {
            let status = metadata("kiln-registry-status").and_then(|status| status.parse().ok());
            return Self::Registry { host, status, message };
        }
        match status.code() {
            Code::NotFound if !message.is_empty() => Self::NotFound { message },
            Code::InvalidArgument
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unauthenticated
                if !message.is_empty() =>
            {
                Self::Refused { message }
            }
            Code::Unimplemented => Self::Older { socket },
            Code::Unavailable => Self::Lost { socket, cause: message },
            code => Self::Failed { socket, code, message },
        }
    }
}

/// What to do about what a registry answered; empty where its own words have to do.
fn advice(status: Option<u16>, host: &str) -> String {
    match status {
        Some(401 | 403) => format!(
            "; if it is private, kilnd needs a credential for {host}: see --registries in \
             docs/registry.md"
        ),
        Some(_) | None => String::new(),
    }
}

fn root_cause(status: &Status) -> String {
    let mut cause: &dyn Error = status;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: &Status, expected: &str) {
        assert_eq!(DaemonError::new(Path::new("/k"), status).to_string(), expected);
    }

    #[test]
    fn refusals_are_kilnds_words() {
        check(&Status::invalid_argument("spec.cpus: 99 of 2"), "spec.cpus: 99 of 2");
        check(&Status::not_found("no job 01jd"), "no job 01jd");
        check(&Status::not_found(""), "kilnd at /k failed (NotFound): ");
    }

    #[test]
    fn all_else_names_the_socket() {
        check(&Status::unavailable("shutting down"), "lost kilnd at /k: shutting down");
        check(&Status::internal("\x1b[m"), "kilnd at /k failed (Internal): \\u{1b}[m");
        check(
            &Status::unimplemented(""),
            "kilnd at /k does not know this call: it is older than this kiln",
        );
        let broken = Status::from_error(std::io::Error::other("pipe burst").into());
        check(&broken, "lost kilnd at /k: pipe burst");
    }
}

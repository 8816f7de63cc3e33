//! Why something was not done with an image, as a status. A registry outside that refused or failed
//! is named in its metadata.

use kiln_registry::{
    operate::{Blamed, OperateError},
    problem::Problem,
    store::StoreError,
    upstream::{Failure, UpstreamError},
};
use tonic::{Code, Status, metadata::MetadataValue};

use crate::api::{
    field::InvalidField,
    status::{RETRY, soon, words},
};

const HOST: &str = "kiln-registry-host";
const REPOSITORY: &str = "kiln-registry-repository";
const STATUS: &str = "kiln-registry-status";

pub(in crate::api) fn operate(error: &OperateError) -> Status {
    let words = words(error);
    let mut status = match error {
        OperateError::NotFound { .. } => Status::not_found(words),
        OperateError::Reference(_) | OperateError::NotOutside { .. } => {
            InvalidField::new("reference", words).into()
        }
        OperateError::Platform(_) | OperateError::NoPlatform { .. } => {
            InvalidField::new("platform", words).into()
        }
        OperateError::NotLocal { .. }
        | OperateError::NoTag { .. }
        | OperateError::PushedToItself { .. } => InvalidField::new("target", words).into(),
        OperateError::Layout(_) => InvalidField::new("data", words).into(),
        OperateError::Incomplete { .. }
        | OperateError::Manifest { .. }
        | OperateError::OtherSize { .. }
        | OperateError::OtherDigest { .. }
        | OperateError::TooDeep { .. }
        | OperateError::TooLarge { .. } => Status::failed_precondition(words),
        OperateError::WentAway { .. } => Status::aborted(words),
        OperateError::NotAdmitted { .. } => Status::permission_denied(words),
        OperateError::Mirror { problem, .. } => mirror(problem, words),
        OperateError::Upstream(error) => upstream(error, words),
        OperateError::Store(error) => store(error, words),
    };
    if let Some(blamed) = error.blamed() {
        blame(&mut status, &blamed);
    }
    status
}

fn mirror(problem: &Problem, words: String) -> Status {
    let mut status = Status::new(code_of(problem.status), words);
    let after = problem.upstream.as_ref().and_then(|upstream| upstream.retry_after_seconds);
    if let Some(seconds) = after {
        retry(&mut status, seconds);
    }
    status
}

fn upstream(error: &UpstreamError, words: String) -> Status {
    let code = error.status().map_or(Code::Unavailable, code_of);
    let mut status = Status::new(code, words);
    if let Failure::RateLimited { retry_after: Some(after) } = &error.failure {
        retry(&mut status, after.as_secs());
    }
    status
}

/// Of an answer over HTTP.
fn code_of(status: u16) -> Code {
    match status {
        400 => Code::InvalidArgument,
        401 | 403 => Code::PermissionDenied,
        404 => Code::NotFound,
        429 => Code::ResourceExhausted,
        500.. => Code::Unavailable,
        _ => Code::FailedPrecondition,
    }
}

fn store(error: &StoreError, words: String) -> Status {
    match error {
        StoreError::DiskFull | StoreError::Quota { .. } | StoreError::MirrorsFull { .. } => {
            Status::resource_exhausted(words)
        }
        StoreError::Damaged(_) => Status::data_loss(words),
        StoreError::Database(_) | StoreError::Io { .. } | StoreError::Closed => {
            soon(Status::unavailable(words))
        }
        StoreError::Stream(_) => Status::aborted(words),
        StoreError::OutOfOrder { .. }
        | StoreError::NoUpload
        | StoreError::OtherDigest { .. }
        | StoreError::TooLong { .. }
        | StoreError::Missing(_)
        | StoreError::InUse { .. }
        | StoreError::Newer { .. }
        | StoreError::Foreign { .. }
        | StoreError::NoLog { .. } => Status::failed_precondition(words),
    }
}

fn retry(status: &mut Status, seconds: u64) {
    let milliseconds = seconds.saturating_mul(1000);
    status.metadata_mut().insert(RETRY, MetadataValue::from(milliseconds));
}

fn blame(status: &mut Status, blamed: &Blamed) {
    let Blamed { host, repository, status: answered } = blamed;
    let answered = answered.map(|answered| answered.to_string());
    let fields = [
        (HOST, Some(host.to_string())),
        (REPOSITORY, Some(repository.clone())),
        (STATUS, answered),
    ];
    for (name, value) in fields {
        // Names of registries and repositories are ASCII.
        if let Some(value) = value.and_then(|value| MetadataValue::try_from(value).ok()) {
            status.metadata_mut().insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use kiln_registry::problem;

    use super::*;

    fn mirrored(status: u16, upstream: Option<problem::Upstream>) -> OperateError {
        OperateError::Mirror {
            reference: "registry.example/team/app:1".to_owned(),
            host: "registry.example".parse().unwrap(),
            repository: "team/app".to_owned(),
            problem: Box::new(Problem {
                upstream,
                ..Problem::new(problem::Code::Denied, status, "the registry wants credentials")
            }),
        }
    }

    fn of(status: &Status, name: &str) -> Option<String> {
        Some(status.metadata().get(name)?.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_registry_that_refused_is_named() {
        let upstream = problem::Upstream {
            host: "registry.example".parse().unwrap(),
            status: Some(401),
            retry_after_seconds: None,
        };
        let status = operate(&mirrored(401, Some(upstream)));
        assert_eq!(status.code(), Code::PermissionDenied);
        assert!(status.message().contains("wants credentials"), "{}", status.message());
        assert_eq!(of(&status, HOST).unwrap(), "registry.example");
        assert_eq!(of(&status, REPOSITORY).unwrap(), "team/app");
        assert_eq!(of(&status, STATUS).unwrap(), "401");
    }

    #[test]
    fn one_that_asks_for_quiet_says_for_how_long() {
        let upstream = problem::Upstream {
            host: "registry.example".parse().unwrap(),
            status: Some(429),
            retry_after_seconds: Some(7),
        };
        let status = operate(&mirrored(429, Some(upstream)));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(of(&status, RETRY).unwrap(), "7000");
    }

    #[test]
    fn where_no_registry_was_asked_none_is_blamed() {
        let status = operate(&mirrored(403, None));
        assert_eq!((status.code(), of(&status, HOST)), (Code::PermissionDenied, None));
        let error = OperateError::NotLocal { reference: "docker.io/library/a:1".to_owned() };
        let status = operate(&error);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("target: "), "{}", status.message());
    }
}

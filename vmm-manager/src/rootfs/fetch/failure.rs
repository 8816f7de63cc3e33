//! Why an image could not be brought, as a job's failure.

use std::{error::Error, io};

use kiln_registry::{
    name::{Host, RepositoryName},
    operate::OperateError,
    store::StoreError,
};

use crate::job::{Failure, FailureClass, Step};

/// `name` is what was to be brought.
pub(super) fn operate(error: &OperateError, name: &str) -> Failure {
    let words = format!("{name} could not be brought: {}", words(error));
    let failed = |class, reason: &str| Failure::new(class, words.clone()).with("reason", reason);
    let failure = match (error.blamed(), error) {
        (Some(blamed), _) => {
            let failure = failed(FailureClass::Registry, "pull_failed")
                .with("host", blamed.host)
                .with("repository", blamed.repository);
            match blamed.status {
                Some(status) => failure.with("status", status),
                None => failure,
            }
        }
        (None, OperateError::Mirror { host, repository, .. }) => {
            failed(FailureClass::Registry, "pull_failed")
                .with("host", host)
                .with("repository", repository)
        }
        (None, OperateError::NotAdmitted { host, .. }) => {
            failed(FailureClass::Policy, "pull_not_admitted").with("host", host)
        }
        (None, OperateError::Store(StoreError::Quota { .. } | StoreError::DiskFull)) => {
            failed(FailureClass::DiskFull, "registry_full")
        }
        (None, OperateError::Store(_)) => return Failure::infrastructure(Step::Fetch, error),
        (None, OperateError::NoPlatform { .. }) => failed(FailureClass::Source, "no_platform"),
        (None, _) => failed(FailureClass::Source, "no_image"),
    };
    failure.with("step", Step::Fetch).with("reference", name)
}

pub(super) fn slow(host: &Host, repository: &RepositoryName) -> Failure {
    let message = format!(
        "{host} has not sent all of {repository} in the time that an image may take; \
         `kiln image pull` brings it ahead"
    );
    Failure::new(FailureClass::Registry, message)
        .with("step", Step::Fetch)
        .with("reason", "pull_failed")
        .with("host", host)
        .with("repository", repository)
}

pub(super) fn too_large(most_bytes: u64) -> Failure {
    let message = format!(
        "the image is larger than the job's disk of {} MiB; ask for a larger one",
        most_bytes >> 20
    );
    Failure::new(FailureClass::DiskFull, message)
        .with("step", Step::Fetch)
        .with("reason", "image_too_large")
        .with("size_bytes", most_bytes)
}

pub(super) fn write(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let message = "the host's disk has no room left for the image; make room";
            Failure::new(FailureClass::DiskFull, message)
                .with("step", Step::Fetch)
                .with("reason", "host_full")
        }
        _ => Failure::infrastructure(Step::Fetch, error),
    }
}

fn words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

//! What went wrong with an image, as a job's failure.

use std::{error::Error, io};

use kiln_registry::{
    digest::Digest,
    operate::{Fault, IngestError, OperateError, Reference},
    store::StoreError,
};

use crate::job::{Failure, FailureClass};

const INGEST: &str = "ingest";
const PUBLISH: &str = "publish";

pub(super) fn disk(error: &io::Error) -> Failure {
    Failure::infrastructure(INGEST, error)
}

pub(super) fn ingest(error: &IngestError) -> Failure {
    let (class, reason) = match error.fault() {
        Fault::Content => (FailureClass::Policy, "image_invalid"),
        Fault::Room => (FailureClass::DiskFull, "registry_full"),
        Fault::Host => return Failure::infrastructure(INGEST, error),
    };
    let message = format!("the image could not be taken over: {}", words(error));
    Failure::new(class, message).with("reason", reason).with("step", INGEST)
}

/// Of what does not speak with a registry outside.
pub(super) fn operate(error: &OperateError) -> Failure {
    match error {
        OperateError::Store(StoreError::Quota { .. } | StoreError::DiskFull) => {
            Failure::new(FailureClass::DiskFull, words(error))
                .with("reason", "registry_full")
                .with("step", PUBLISH)
        }
        error => Failure::infrastructure(PUBLISH, error),
    }
}

pub(super) fn push(error: &OperateError, reference: &str) -> Failure {
    let words = format!("{reference} could not be pushed: {}", words(error));
    let failure = match (error.blamed(), error) {
        (Some(blamed), _) => {
            let failure = Failure::new(FailureClass::Registry, words)
                .with("reason", "push_failed")
                .with("host", blamed.host)
                .with("repository", blamed.repository);
            match blamed.status {
                Some(status) => failure.with("status", status),
                None => failure,
            }
        }
        (None, OperateError::NotAdmitted { host, .. }) => Failure::new(FailureClass::Policy, words)
            .with("reason", "push_not_admitted")
            .with("host", host),
        (None, _) => operate(error),
    };
    failure.with("step", PUBLISH).with("reference", reference)
}

/// Of what was checked when the build was asked for.
pub(super) fn reference(name: &str) -> Result<Reference, Failure> {
    name.parse().map_err(|error| {
        Failure::infrastructure(PUBLISH, &error as &(dyn Error + 'static)).with("reference", name)
    })
}

/// Of what the host has counted itself.
pub(crate) fn digest(text: &str) -> Result<Digest, Failure> {
    text.parse().map_err(|error| {
        Failure::infrastructure(PUBLISH, &error as &(dyn Error + 'static)).with("digest", text)
    })
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

//! What went wrong, as a status: one match for each kind of error, and nowhere else.
//!
//! What a client can mend names the field; what passes says so and when to come back; and whatever
//! answers an error has changed nothing that was not said.

use std::error::Error;

use tonic::{Status, metadata::MetadataValue};

use super::field::InvalidField;
use crate::{
    guest::GuestError,
    log::{OpenError, PinError},
    output::OutputError,
    scheduler::Refused,
    source::UploadError,
    store::{AttachRefusal, CommitError, Health, InputError, JobHandle, StoreError, SubmitError},
};

/// When a client may try again: gRPC's own word for it.
pub(super) const RETRY: &str = "grpc-retry-pushback-ms";
/// kilnd is soon back after a drain, and a queue moves.
const SOON_MILLIS: u64 = 1000;

/// Everything that an error and its causes say.
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

pub(super) fn soon(mut status: Status) -> Status {
    status.metadata_mut().insert(RETRY, MetadataValue::from(SOON_MILLIS));
    status
}

pub(super) fn refused(refused: Refused) -> Status {
    match refused {
        Refused::NotAdmitted(refusal) => InvalidField::from(refusal).into(),
        Refused::QueueFull(_) => soon(Status::resource_exhausted(words(&refused))),
        Refused::Draining => soon(Status::unavailable(words(&refused))),
        Refused::NotStored(error) => submit(&error),
        Refused::Unreadable(error) => store(&error),
    }
}

pub(super) fn submit(error: &SubmitError) -> Status {
    match error {
        SubmitError::KeyReused { .. } => {
            Status::already_exists(format!("idempotency_key: {error}"))
        }
        SubmitError::Write(cause) => with_code_of(cause, words(error)),
        SubmitError::InDoubt { .. } | SubmitError::Randomness { .. } => {
            soon(Status::unavailable(words(error)))
        }
    }
}

pub(super) fn store(error: &StoreError) -> Status {
    with_code_of(error, words(error))
}

fn with_code_of(error: &StoreError, words: String) -> Status {
    match error {
        StoreError::DiskFull { .. } => Status::resource_exhausted(words),
        StoreError::Database { .. } | StoreError::Io { .. } | StoreError::Closed => {
            soon(Status::unavailable(words))
        }
        StoreError::Damaged { .. } | StoreError::Record { .. } => Status::data_loss(words),
        StoreError::Newer { .. } | StoreError::Foreign { .. } | StoreError::NoLog { .. } => {
            Status::failed_precondition(words)
        }
    }
}

/// A change that is not durable, and why the store says it is not.
pub(super) fn commit(error: CommitError, health: &Health) -> Status {
    match (error, health) {
        (CommitError::Late { .. }, Health::Failing { error: cause, .. }) => {
            with_code_of(cause, format!("{error}: {}", words(cause)))
        }
        (CommitError::Late { .. }, Health::Well) | (CommitError::Closed, _) => {
            soon(Status::unavailable(error.to_string()))
        }
        (CommitError::Illegal(illegal), _) => Status::failed_precondition(illegal.to_string()),
    }
}

pub(super) fn attach(error: AttachRefusal) -> Status {
    match error {
        AttachRefusal::NotAsked | AttachRefusal::Ended => {
            Status::failed_precondition(error.to_string())
        }
    }
}

/// `Ok` for what is lost because nobody wants it any more.
pub(super) fn input(field: &'static str, error: InputError) -> Result<(), Status> {
    match error {
        InputError::NotReady => {
            Err(InvalidField::new(field, "comes before `stdin_ready` said from where on").into())
        }
        InputError::Over => Ok(()),
    }
}

pub(super) fn log(error: &OpenError) -> Status {
    match error {
        OpenError::Damaged { .. } => Status::data_loss(words(error)),
        OpenError::Io { .. } | OpenError::Stopped(_) => Status::unavailable(words(error)),
    }
}

pub(super) fn read(error: &std::io::Error) -> Status {
    Status::data_loss(format!("the job's log is damaged: {error}"))
}

pub(super) fn pinned(error: &PinError) -> Status {
    match error {
        PinError::Replaced => replaced(),
        PinError::Read(cause) => read(cause),
    }
}

/// What a build says is no row of bytes.
pub(super) fn is_build(handle: &JobHandle) -> Status {
    let id = handle.id();
    Status::failed_precondition(format!(
        "job {id} is a build: what it says is read with BuildService, by WatchBuild and ReadBuildLog"
    ))
}

pub(super) fn replaced() -> Status {
    Status::aborted("another client has attached to the job and taken this one's place")
}

pub(super) fn interrupted() -> Status {
    soon(Status::unavailable("the way to the command was lost for a moment: attach again"))
}

pub(super) fn upload(error: UploadError) -> Status {
    match error {
        UploadError::Busy { .. } => soon(Status::resource_exhausted(words(&error))),
        UploadError::OverBudget { .. } | UploadError::DiskFull => {
            Status::resource_exhausted(words(&error))
        }
        UploadError::Longer { .. } | UploadError::Shorter { .. } => {
            InvalidField::new("start.size_bytes", error).into()
        }
        UploadError::Other { .. } => InvalidField::new("start.digest", error).into(),
        UploadError::NotThere { .. } => Status::out_of_range(format!("start.offset: {error}")),
        UploadError::Broken | UploadError::Io { .. } => soon(Status::unavailable(words(&error))),
    }
}

pub(super) fn output(name: &str, error: &OutputError) -> Status {
    let words = format!("the output {name} cannot be read: {}", words(error));
    match error {
        OutputError::Behind { .. } => Status::out_of_range(words),
        OutputError::Expired => Status::failed_precondition(words),
        OutputError::Damaged => Status::data_loss(words),
        OutputError::Io { .. } => Status::unavailable(words),
    }
}

/// Of a second command in a guest. What a hostile guest says is bounded by its client already.
pub(super) fn guest(error: &GuestError) -> Status {
    let words = words(error);
    match error {
        GuestError::Lost { .. } | GuestError::MachineExited { .. } => {
            Status::aborted(format!("the job's guest went away under the command: {words}"))
        }
        GuestError::Silent { .. } => Status::deadline_exceeded(words),
        GuestError::Agent { .. } => Status::failed_precondition(words),
        GuestError::Protocol { .. } | GuestError::Version { .. } => Status::internal(words),
        GuestError::Socket { .. } | GuestError::Entropy { .. } => Status::unavailable(words),
    }
}

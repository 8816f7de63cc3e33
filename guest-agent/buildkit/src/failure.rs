//! What the engine says of a failure: its words, and behind them which vertex it was and where in the
//! Dockerfile that stands.

mod excerpt;
mod source;

use bollard_buildkit_proto::google::rpc;
use prost::Message as _;
use tonic::{Code, Status};

use self::source::{Source, Vertex};
use crate::{Failure, Place};

impl Failure {
    /// `doing` comes before the words.
    pub(crate) fn of(doing: &str, status: &Status) -> Self {
        let mut failure =
            Self { message: format!("{doing}: {}", words(status)), ..Self::default() };
        // What cannot be read is no detail.
        let details = rpc::Status::decode(status.details()).unwrap_or_default().details;
        for detail in details {
            let kind = detail.type_url.rsplit('/').next().unwrap_or_default();
            match kind {
                "errdefs.Vertex+json" => {
                    if let Ok(vertex) = serde_json::from_slice::<Vertex>(&detail.value) {
                        failure.vertex = vertex.digest;
                    }
                }
                "errdefs.Source+json" => {
                    if let Ok(source) = serde_json::from_slice::<Source>(&detail.value) {
                        failure.add(&source);
                    }
                }
                _ => {}
            }
        }
        failure
    }

    /// The first is the place; all are shown.
    fn add(&mut self, source: &Source) {
        let Some(excerpt) = excerpt::excerpt(source) else { return };
        match &mut self.place {
            Some(place) => place.excerpt.push_str(&excerpt.text),
            None => {
                self.place = Some(Place {
                    file: source.info.filename.clone(),
                    first_line: excerpt.first,
                    last_line: excerpt.last,
                    excerpt: excerpt.text,
                });
            }
        }
    }

    pub(crate) fn ours(error: &dyn std::error::Error) -> Self {
        Self { message: chain(error), ..Self::default() }
    }
}

/// As Go's client says them.
fn words(status: &Status) -> String {
    let message = status.message();
    let code = match status.code() {
        Code::Ok | Code::Unknown => return message.to_owned(),
        Code::Cancelled => "Canceled",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    };
    format!("{code}: {message}")
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}

#[cfg(test)]
mod tests;

//! Fields of a request that are not as they must be.

use std::fmt;

use tonic::Status;

use crate::admission::Refusal;

/// Names the field as a client wrote it, so that the error can be acted upon.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub(super) struct InvalidField {
    pub(super) field: String,
    pub(super) problem: String,
}

impl InvalidField {
    pub(super) fn new(field: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self { field: field.into(), problem: problem.to_string() }
    }
}

impl From<InvalidField> for Status {
    fn from(invalid: InvalidField) -> Self {
        Self::invalid_argument(invalid.to_string())
    }
}

impl From<Refusal> for InvalidField {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.field(), &refusal)
    }
}

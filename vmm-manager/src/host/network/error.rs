//! Why a network cannot be had, or looked at.

use std::io;

use crate::host::helper::HelperError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum NetworkError {
    #[error("no address is free for the machine's network: {reason}")]
    NoAddress { reason: String },
    #[error("this host has no networks for machines: {reason}")]
    Unavailable { reason: String },
    #[error("the helper refuses: {reason}")]
    Refused { reason: String },
    #[error("{what} failed")]
    Failed { what: String, source: io::Error },
    #[error("the machine runs without the gateway of its network")]
    NoGateway,
}

impl From<HelperError> for NetworkError {
    fn from(error: HelperError) -> Self {
        match error {
            HelperError::Refused { reason } => Self::Refused { reason },
            HelperError::Failed { what, source } => Self::Failed { what, source },
            other => {
                Self::Failed { what: "the helper".to_owned(), source: io::Error::other(other) }
            }
        }
    }
}

impl NetworkError {
    /// With what it is made of, in one line.
    pub(crate) fn in_words(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }
}

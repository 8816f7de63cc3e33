//! How a job stands in its row: JSON of structs that exist for nothing else.
//!
//! The domain derives nothing for storage. Each conversion takes its side apart field by field, so
//! a new field breaks the build until somebody has thought of the rows that are there already.

mod boot;
mod build;
mod built;
mod egress;
mod made;
mod outcome;
mod record;
mod registry;
mod request;
mod rootfs;
#[cfg(test)]
mod tests;
mod time;

pub(super) use self::{
    record::{Columns, decode_record, encode_record},
    request::{decode_request, encode_request},
    time::{nanos_of, time_of},
};

/// Why a row's document cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("its document is none")]
    Json(#[from] serde_json::Error),
    #[error("its document has version {theirs}, and this kilnd knows {ours}")]
    Version { theirs: u32, ours: u32 },
    #[error("its {field} is none: {value:?}")]
    Field { field: &'static str, value: String },
}

impl DocumentError {
    /// With what it is made of, in one line.
    pub(super) fn in_words(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }
}

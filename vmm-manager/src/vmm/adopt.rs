//! Why what an earlier daemon made is not taken up.

use std::io;

use super::VmExit;

#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// No machine was ever started here, or it never came to be one.
    #[error("there is no machine")]
    Nothing,
    /// It is gone, with all its processes.
    #[error("the machine has ended: {0}")]
    Ended(VmExit),
    #[error(
        "the machine's supervisor speaks protocol {theirs} and this kilnd {ours}: it was started \
         by another release"
    )]
    Version { ours: u32, theirs: u32 },
    /// Left alone: it can't be proven that it is ours.
    #[error("it is not ours: {what}")]
    Foreign { what: String },
    #[error("{what}")]
    Io { what: &'static str, source: io::Error },
}

//! The public API, `kiln.v1`: the only place where its wire types and the domain meet.
//!
//! `incoming` checks every field before anything is done, each call has a file of its own, and what
//! goes wrong becomes a status in `status` alone.

mod artifacts;
mod attach;
mod builds;
mod caller;
mod cancel;
mod create;
mod exec;
mod field;
mod host;
mod images;
mod incoming;
mod jobs;
mod log;
mod outgoing;
mod output;
mod status;
mod upload;
mod watch;

pub(crate) use self::caller::LOCAL_TENANT;
pub use self::{
    artifacts::{ArtifactApi, ArtifactApiParts},
    builds::BuildApi,
    caller::Caller,
    host::{HostApi, HostApiParts},
    images::ImageApi,
    jobs::{JobApi, JobApiParts},
};

#[cfg(test)]
mod tests;

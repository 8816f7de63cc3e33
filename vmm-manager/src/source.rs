//! What tenants bring: the bytes of source disks, uploaded before the jobs that name them.
//!
//! ```text
//! begin ──▶ Upload ── write … ── finish ──▶ sources/ID/{disk.raw, record.json}
//!             │ dropped, too long, no room         │ unused for an hour, and held by no job
//!             ▼                                    ▼
//!          nothing is left                      forgotten
//! ```
//!
//! An upload is made below a name that no source has and renamed when all of it is on the disk, so
//! a source is there wholly or not at all, after a loss of power too. The host reads nothing of
//! what is in it.

mod budget;
mod hold;
mod partial;
mod record;
mod registry;
mod upload;

pub use self::{
    hold::{MissingSource, SourceHold, SourceHolds},
    record::Source,
    registry::{Sources, SourcesError},
    upload::{Upload, UploadError},
};

#[cfg(test)]
mod tests;

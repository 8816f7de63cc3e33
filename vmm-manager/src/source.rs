//! What tenants bring: the bytes of source disks, uploaded before the jobs that name them.
//!
//! ```text
//! begin ──▶ Upload ── write … ── finish ──▶ sources/ID/{disk.raw, record.json}
//!             │ dropped, too long, no room         │ unused for an hour, and held by no job
//!             ▼                                    ▼
//!          nothing is left                      forgotten
//!
//! begin_known ──▶ Upload ── cut off ──▶ partial-ID/{disk.raw, partial.json}, for an hour at most
//!        ▲                                         │
//!        └──────────── from an offset ─────────────┘
//! ```
//!
//! Equal bytes of one tenant are one source, and one whose digest the tenant knows is found without
//! being sent again. A digest is no proof of having the bytes: another tenant's source is told of to
//! nobody, and each tenant uploads its own.
//!
//! An upload is made below a name that no source has and renamed when all of it is on the disk, so
//! a source is there wholly or not at all, after a loss of power too. The host reads nothing of
//! what is in it.

mod budget;
mod hold;
mod making;
mod partial;
mod record;
mod registry;
mod remnant;
mod upload;

pub use self::{
    hold::{MissingSource, SourceHold, SourceHolds},
    record::Source,
    registry::{Found, Sources, SourcesError},
    remnant::Known,
    upload::{Upload, UploadError},
};

#[cfg(test)]
mod tests;

//! What a job gets from here: packed or read while it is sent, so it is never in memory as a whole.
//!
//! ```text
//! content (a thread: packs or reads, hashes) ──4 chunks──▶ the request stream ──▶ kilnd
//!        └─ an error ─▶ the call is dropped, so kilnd does not take a part for the whole
//! ```

mod content;
mod known;
mod upload;
mod whole;

pub(crate) use self::{
    content::{Content, ContentError},
    known::{Known, SendError, send},
    upload::{UploadError, upload},
    whole::{WholeFile, WholeFileError},
};

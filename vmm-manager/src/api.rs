//! The public API, `kiln.v1`: the only place where its wire types and the domain meet.

mod attach;
mod caller;
mod field;
mod incoming;
mod jobs;
mod outgoing;

pub use self::{caller::Caller, jobs::JobApi};

//! The distribution API over HTTP/1.1: what a registry's clients say, and what they are told.
//!
//! ```text
//! connection ─ wire (time limits, receipts) ─ hyper ─ route ─ place ─┬ local/NAME ─▶ store
//!                                                                   └ HOST/NAME  ─▶ mirror
//! ```

pub mod place;
pub mod query;
pub mod range;
pub mod route;

mod answer;
mod blobs;
mod body;
pub(crate) mod connection;
mod exchange;
mod faults;
mod intake;
mod listings;
mod loopback;
mod manifests;
pub(crate) mod memory;
mod receipts;
mod refusals;
mod uploads;
mod wire;

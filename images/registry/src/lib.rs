//! The registry of a host: an OCI distribution API over a content-addressed store. It keeps what
//! guests and local clients push, and brings what they pull from registries outside. It knows nothing
//! of jobs: a [`caller::Caller`] says in whose name something is asked for, and what it may reach.

pub mod build;
pub mod caller;
pub mod content;
pub mod http;
pub mod layout;
pub mod manifest;
pub mod mirror;
pub mod name;
pub mod operate;
pub mod problem;
pub mod record;
pub mod registries;
pub mod registry;
pub mod repository;
pub mod store;
pub mod upstream;

pub use kiln_digest as digest;

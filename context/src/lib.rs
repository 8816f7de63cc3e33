//! A build's context: which files of a directory it is, and the tar that they are sent as.
//!
//! ```text
//! Dockerfile and ignore file found ──▶ walk (stat alone) ──▶ fingerprint ──known──▶ digest
//!                                        │                      └─new─▶ packed once, hashed
//!                                        └────────── packed again from any offset ──▶ sent
//! ```
//!
//! Nothing here knows who asks or where the bytes go.

mod cache;
mod context;
mod dockerfile;
mod fingerprint;
mod ignore;
mod pack;
mod path;
mod stdin;
mod walk;

pub use self::{
    cache::Cache,
    context::{Context, ContextError, Identity},
    dockerfile::{Choice, Dockerfile, DockerfileError},
    ignore::{Ignore, InvalidIgnore, InvalidPattern, Matched},
    pack::PackError,
    stdin::{Stdin, StdinError, read_stdin},
    walk::WalkError,
};

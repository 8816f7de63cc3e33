//! A build's client of `BuildKit`, over the socket of docker's engine.
//!
//! ```text
//! Order ─▶ POST /session ─▶ session: files, secrets, ssh, exports ◀── the engine asks
//!   └────▶ POST /grpc ────▶ Solve ∥ Status ─▶ Report: Progress … ─▶ Done | Failed
//! ```
//!
//! A process of its own runs it: killed, its session breaks, and the engine ends its steps at once.
//! What an order names is a file's path or a word for the engine: no secret stands in it.

mod build;
mod engine;
mod failure;
mod metadata;
mod order;
mod out;
mod random;
mod report;
mod request;
mod session;
mod solve;

pub use bollard_buildkit_proto::{
    google::protobuf::Timestamp,
    moby::buildkit::v1::{StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning},
    pb::{Position, Range, SourceInfo},
};

pub use self::{
    build::main,
    order::{
        AddHost, Attributes, CacheExport, CacheImport, Context, Dockerfile, Export, ExportKind,
        Network, Order, Secret, Ssh, SshFrom,
    },
    report::{Done, Failure, Place, Report, Reports, ReportsError},
};

//! `kiln-gateway`: what a guest can talk to, in a process of its own without privileges, in the
//! namespace of that guest's network and nowhere else. See [`kiln_net::control`] for its peers.
//!
//! ```text
//! guest ──53──▶ resolver ──question──▶ control ──▶ the daemon ──▶ the host's resolvers
//!                  │  ▲──judged answer──┘  │
//!                  │                       └─admit──▶ the daemon ──▶ the kernel's sets
//!                  ▼
//!              admitted ◀──which address stands for which name── splice ◀──redirected── guest
//! ```

pub mod admitted;
pub mod answer;
pub mod budget;
pub mod cache;
pub mod client_hello;
pub mod control;
mod endpoint;
pub mod gateway;
pub mod http_host;
pub mod recorder;
pub mod registry;
pub mod resolver;
pub mod splice;
mod start;

pub use start::main;

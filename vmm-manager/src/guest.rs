//! The host's client of `kiln.agent.v1`: how Kiln speaks to the agent in a guest.
//!
//! ```text
//! connect ──▶ Connection ──hello──▶ Guest ──exec──▶ (ExecInput, ExecOutput)
//!                                     └──shut_down
//! ```
//!
//! *Happy path*: dial the bridge's unix socket until the agent listens, speak HTTP/2 over that one
//! stream, greet, run commands, shut down. *Failure paths*: the machine exits while we dial: at
//! once [`GuestError::MachineExited`]; the agent is silent: [`GuestError::Silent`] names the phase;
//! the stream ends: [`GuestError::Lost`], for ever, since a guest that was lost cannot be proven to
//! be the same one again; what it says breaks the protocol: [`GuestError::Protocol`].
//!
//! A guest is hostile from its first instruction. Whatever parses its bytes is reached through
//! [`converse()`], which needs no machine: frames are bounded by `frames`, text by `text`, and the
//! order of answers by `order`.

mod command;
mod connection;
mod converse;
mod dial;
mod error;
mod event;
mod exec;
mod frames;
mod hello;
mod order;
mod session;
pub(crate) mod text;
mod wire;

pub use self::{
    command::Command,
    connection::{Connection, connect},
    converse::{Conversation, End, Transcript, converse},
    error::GuestError,
    event::{DiskFull, ExecEvent, ExecExit, ExecStatus, RefusalReason},
    exec::{ExecInput, ExecOutput},
    hello::{BootStep, GuestHello, Hello},
    session::Guest,
};

#[cfg(test)]
mod tests;

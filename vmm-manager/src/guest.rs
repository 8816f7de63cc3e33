//! The host's client of `kiln.agent.v1`: how Kiln speaks to the agent in a guest.
//!
//! ```text
//! connect ──▶ Connection ──hello──▶ Guest ──exec──▶ (ExecInput, ExecOutput)
//!                                     ├──start_engine──▶ Engine
//!                                     ├──build──▶ (ExecInput, ExecOutput)    relay_ssh──▶ SshRelay
//!                                     ├──boot──▶ (ExecInput, ExecOutput)
//!                                     ├──unpack, pack──▶ DiskEnd
//!                                     ├──online──▶ Online
//!                                     └──shut_down
//! ```
//!
//! *Happy path*: dial the bridge's unix socket until the agent listens, speak HTTP/2 over that one
//! stream, greet, run commands, shut down. *Failure paths*: the machine exits while we dial: at
//! once [`GuestError::MachineExited`]; the agent is silent: [`GuestError::Silent`] names the phase;
//! the stream ends: [`GuestError::Lost`]; what it says breaks the protocol, or cannot be read at all:
//! [`GuestError::Protocol`].
//!
//! A connection that is lost is lost for ever, but its guest may not be: whoever dials again and
//! shows the secret of the first hello speaks to the same agent, and takes up by id the commands
//! that were begun. Output goes on at the offset that is asked for, stdin at the one that the agent
//! names; both sides count bytes, so nothing is lost and nothing comes twice.
//!
//! A guest is hostile from its first instruction. Whatever parses its bytes is reached through
//! [`converse()`], which needs no machine: frames are bounded by `frames`, text by `text`, and the
//! order of answers by `order`.

mod boot;
mod build;
mod command;
mod connection;
mod converse;
mod dial;
mod disk;
mod engine;
mod error;
mod event;
mod exec;
mod frames;
mod hello;
mod network;
mod of_job;
mod online;
mod order;
mod relay;
mod said;
mod session;
pub(crate) mod text;
mod wire;

pub use self::{
    boot::BootCommand,
    build::{
        BuildCache, BuildCommand, BuildContext, BuildOptions, BuildOutput, BuildPair, BuildPart,
        BuildPartKind, BuildSsh, build_output,
    },
    command::{Command, TerminalSize},
    connection::{Connection, connect},
    converse::{Conversation, End, Transcript, converse},
    disk::{DiskEnd, DiskFormat, DiskRefusal, Pack, Unpack},
    engine::{Engine, StartEngine},
    error::{AgentCode, GuestError},
    event::{BootUp, DiskFull, ExecEvent, ExecExit, ExecStatus, RefusalReason},
    exec::{ExecInput, ExecOutput},
    hello::{BootStep, GuestHello, Hello, draw_secret},
    network::{GuestNetwork, LinkAddress},
    online::Online,
    relay::SshRelay,
    session::Guest,
};

#[cfg(test)]
mod tests;

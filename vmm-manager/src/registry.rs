//! The host's registry as the daemon has it: whose a connection is, what that job may reach, and what
//! was served to it. What a registry is, `kiln_registry` says.
//!
//! ```text
//! a guest's stream (network::gateway) ─▶ job: tenant, policy, ledger ─┐
//! a client on this host ─▶ listener: loopback, tenant `local` ────────┴─▶ kiln_registry
//!
//! ledger: in memory, and registry.log ─▶ the job's record
//! ```
//!
//! A machine is known by the socket on which its gateway is met, so nothing that a guest says counts.
//! *Failure paths*: kilnd dies, and streams break, which clients try again; what had been served is
//! in the machine's directory for the next kilnd.

mod address;
mod job;
mod journal;
mod ledger;
mod listener;
mod reach;
mod record;
mod resolve;
mod service;
mod state;
mod tend;

pub(crate) use self::{
    job::JobRegistry,
    ledger::{JobLedger, left_behind},
    state::RegistryState,
};
pub use self::{
    listener::{ListenError, Listening},
    record::{Refused, RegistryRecord, Served},
    service::{Service, ServiceError, ServiceParts},
    state::Registryless,
};

//! The mirror over real sockets: registries of our own that misbehave as they are told, and those who
//! ask through it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod downloads;
mod exfiltration;
mod lies;
mod outages;
mod publicity;
mod real;
mod rights;
mod stage;
mod tags;
mod upstream;

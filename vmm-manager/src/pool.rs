//! Numbers that no two machines of this host have at once, whichever daemon made them.
//!
//! ```text
//! /run/kiln/pool/slot-0     "INSTANCE HOME": locked by the daemon whose slot it is
//! slot 0: numbers 0 … 1023      slot 1: 1024 … 2047      …      slot 63: … 65535
//! ```
//!
//! A daemon claims one slot of the host for as long as it lives, and hands out the slot's numbers,
//! one a machine. From a number follow the machine's vsock address and whatever else must be
//! unique on a host. *Happy path*: lock a slot's file, write our name into it. *Failure paths*: a
//! daemon that dies loses its lock and not its slot: machines of its home may run on, so the slot
//! stays its own until that home holds none; the daemon that comes back finds its name and takes
//! the same slot. The directory is on a file system that a reboot empties, as it empties the host
//! of machines.

mod numbers;
mod slot;

pub use self::{
    numbers::{Number, Numbers},
    slot::{PoolError, Slot},
};

/// How many daemons a host has room for.
const SLOTS: u32 = 64;
/// How many machines a daemon has numbers for.
pub const NUMBERS: u32 = 1024;

#[cfg(test)]
mod tests;

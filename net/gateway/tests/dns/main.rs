//! The real program, its sockets and its daemon's, on loopback: what a guest that asks it hears,
//! and what of a guest's leaves the host by it.

#![cfg(test)]

mod answers;
mod budgets;
mod daemon;
mod gateway;
mod guest;
mod killed;
mod leaks;
mod refusals;
mod registry;
mod restarts;
mod start;
mod streams;
mod stubs;

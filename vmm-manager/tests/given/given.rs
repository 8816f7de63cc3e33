//! Machines with a network, for the tests of each driver.

pub(crate) mod behaviour;
pub(crate) mod network;

//! The distribution specification's cases, over real sockets: what its published suites ask, what the
//! specification says beside, and what must not be had in spite of it.

#![cfg(test)]

mod client;
mod content;
mod stage;
mod writes;

mod bad_input;
mod chunked;
mod discovery;
mod full;
mod limits;
mod management;
mod manifests;
mod materials;
mod mirrored;
mod names;
mod pull;
mod push;
mod range;
mod restart;

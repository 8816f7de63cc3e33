//! What a client of registries outside is made of.

use std::time::Duration;

use super::guard::Guard;
use crate::registries::Registries;

#[derive(Clone, Debug, Default)]
pub struct Config {
    pub registries: Registries,
    pub guard: Guard,
    pub limits: Limits,
}

/// What a registry outside gets at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For each address: TCP and TLS.
    pub connect: Duration,
    /// From the end of a request to the head of its answer.
    pub answer: Duration,
    /// Between two pieces of a body.
    pub stall: Duration,
    /// For everything until a body begins: tries, waits, tokens and redirects.
    pub operation: Duration,
    /// Of one operation; and of a blob, without anything coming of it in between.
    pub tries: u32,
    /// Before the second try; twice as long before each one after it.
    pub back_off: Duration,
    /// Of requests to one host at a time.
    pub connections: usize,
    /// A larger blob is uploaded in pieces of this size.
    pub upload_piece: u64,
    /// Of a credential helper.
    pub helper: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            operation: Duration::from_secs(90),
            tries: 4,
            back_off: Duration::from_millis(250),
            connections: 128,
            upload_piece: 64 << 20,
            helper: Duration::from_secs(10),
        }
    }
}

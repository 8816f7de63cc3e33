//! A client as the tests want it: impatient, with names of their own.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use kiln_registry::{
    content::Chunks,
    name::{Host, RepositoryName, Target},
    registries::Registries,
    upstream::{Config, Guard, Limits, Resolve, Session, Upstream},
};

/// Knows what it was told, and remembers what it was asked.
#[derive(Default)]
pub(crate) struct Names {
    pub known: HashMap<String, Vec<IpAddr>>,
    pub asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        self.known.get(name).cloned().ok_or_else(|| io::Error::other("no such name"))
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(2),
        answer: Duration::from_secs(2),
        stall: Duration::from_millis(700),
        operation: Duration::from_secs(8),
        tries: 3,
        back_off: Duration::from_millis(10),
        connections: 16,
        upload_piece: 256 << 10,
        helper: Duration::from_secs(2),
    }
}

/// With `names` for loopback, and a file of registries.
pub(crate) fn client(registries: &serde_json::Value, names: &[&str]) -> Upstream {
    client_with(registries, names, limits())
}

pub(crate) fn client_with(
    registries: &serde_json::Value,
    names: &[&str],
    limits: Limits,
) -> Upstream {
    let loopback = |name: &&str| ((*name).to_owned(), vec![[127, 0, 0, 1].into()]);
    let known = names.iter().map(loopback).collect();
    named(registries, Arc::new(Names { known, asked: Mutex::default() }), limits)
}

pub(crate) fn named(registries: &serde_json::Value, names: Arc<Names>, limits: Limits) -> Upstream {
    let registries = Registries::parse(registries.to_string().as_bytes()).unwrap();
    Upstream::new(Config { registries, guard: Guard::default(), limits }, names)
}

/// Plain, on loopback, and known.
pub(crate) fn plain(host: &Host) -> serde_json::Value {
    serde_json::json!({"registries": {host.as_str(): {"http": true, "private": true}}})
}

pub(crate) fn session(host: &Host) -> Session {
    Session::new("local", host.clone())
}

pub(crate) fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

pub(crate) fn target(text: &str) -> Target {
    text.parse().unwrap()
}

/// All that comes, or why it ends.
pub(crate) async fn drained(mut chunks: Chunks) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(chunk) = futures_util::StreamExt::next(&mut chunks).await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all)
}

/// Bytes that no compression nor repetition makes small.
pub(crate) fn noise(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

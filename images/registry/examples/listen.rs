//! A registry of local repositories alone, for suites and clients of others:
//! `cargo run --example listen -- DIRECTORY 127.0.0.1:5000`.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use kiln_registry::{
    caller::{self, Caller},
    content::{Blob, Manifest},
    digest::Digest,
    mirror::Extent,
    name::{Host, RepositoryName, Target},
    problem::{Code, Problem},
    record::{Ledger, Material, Refusal},
    registry::{Outside, Registry, Via},
    store::{Limits, Store},
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(directory), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("say DIRECTORY and ADDRESS".into());
    };
    std::fs::create_dir_all(&directory)?;
    let store = Store::open(Path::new(&directory), Limits::default())?;
    let registry = Registry::new(store, Arc::new(Nothing));
    let listener = TcpListener::bind(address).await?;
    let caller = Caller {
        tenant: "local".to_owned(),
        job: None,
        outside: caller::Outside::StoredOnly,
        writes: caller::Writes::All,
        ledger: Arc::new(Nothing),
    };
    loop {
        let (stream, _) = listener.accept().await?;
        let (registry, caller) = (registry.clone(), caller.clone());
        tokio::spawn(async move { registry.serve(stream, caller, Via::Loopback).await });
    }
}

/// No registry outside, and nobody who wants to know.
struct Nothing;

#[async_trait]
impl Outside for Nothing {
    async fn manifest(
        &self,
        _: &Caller,
        host: &Host,
        _: &RepositoryName,
        _: &Target,
    ) -> Result<Manifest, Problem> {
        Err(denied(host))
    }

    async fn blob(
        &self,
        _: &Caller,
        host: &Host,
        _: &RepositoryName,
        _: Digest,
        _: Extent,
    ) -> Result<Blob, Problem> {
        Err(denied(host))
    }
}

impl Ledger for Nothing {
    fn served(&self, _: Material) {}

    fn refused(&self, _: Refusal) {}
}

fn denied(host: &Host) -> Problem {
    Problem::new(Code::Denied, 403, format!("{host} is not asked here"))
}

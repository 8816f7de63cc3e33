//! A store with its images, and who asks.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use kiln_registry::{
    caller::{Caller, Outside, Writes},
    content::Chunks,
    mirror::{self, Mirror},
    operate::{Config, Image, Images, OperateError, Progress, Reference, Transfer},
    record::{Ledger, Material, Refusal},
    registries::Registries,
    store::{self, Store},
    upstream::{self, Resolve, Upstream},
};
use serde_json::json;
use tempfile::TempDir;

pub(crate) const TENANT: &str = "local";

pub(crate) struct Stage {
    pub(crate) images: Images,
    pub(crate) store: Store,
    _directory: Option<TempDir>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::knowing(&[])
    }

    /// Registries of this machine, asked without TLS.
    pub(crate) fn knowing(hosts: &[&str]) -> Self {
        Self::with(hosts, upstream::Limits::default())
    }

    pub(crate) fn with(hosts: &[&str], limits: upstream::Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store"), store::Limits::default()).unwrap();
        Self { _directory: Some(directory), ..Self::made(store, hosts, limits) }
    }

    /// On a store that somebody else keeps.
    pub(crate) fn on(store: Store) -> Self {
        Self::made(store, &[], upstream::Limits::default())
    }

    fn made(store: Store, hosts: &[&str], limits: upstream::Limits) -> Self {
        let known =
            hosts.iter().map(|host| ((*host).to_owned(), json!({"http": true, "private": true})));
        let file = json!({"registries": known.collect::<serde_json::Map<_, _>>()});
        let registries = Registries::parse(file.to_string().as_bytes()).unwrap();
        let settings = upstream::Config { registries, limits, ..upstream::Config::default() };
        let upstream = Upstream::new(settings, Arc::new(Loopback));
        let mirror = Mirror::new(store.clone(), upstream.clone(), mirror::Config::default());
        let config = Config { rights_age: Duration::from_secs(3600), is_offline: false };
        let images = Images::new(store.clone(), mirror, upstream, config);
        Self { images, store, _directory: None }
    }

    pub(crate) async fn import(
        &self,
        target: Option<&str>,
        tar: &[u8],
    ) -> Result<Vec<Image>, OperateError> {
        let target = target.map(reference);
        self.images.import(TENANT, target.as_ref(), pieces(tar)).await
    }

    pub(crate) async fn export(&self, image: &str) -> Result<Vec<u8>, OperateError> {
        let chunks = self.images.export(TENANT, &reference(image), None).await?;
        Ok(whole(chunks).await)
    }

    pub(crate) async fn names(&self) -> Vec<String> {
        let listing = kiln_registry::operate::Listing { limit: 1000, ..Default::default() };
        let page = self.images.list(TENANT, &listing).await.unwrap();
        page.images.iter().map(|image| image.reference.to_string()).collect()
    }
}

pub(crate) fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// As they come over a wire: of a size that divides nothing.
pub(crate) fn pieces(bytes: &[u8]) -> Chunks {
    let pieces: Vec<_> = bytes.chunks(7001).map(Bytes::copy_from_slice).map(Ok).collect();
    stream::iter(pieces).boxed()
}

pub(crate) async fn whole(mut chunks: Chunks) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.next().await {
        whole.extend_from_slice(&chunk.unwrap());
    }
    whole
}

pub(crate) fn caller() -> Caller {
    Caller {
        tenant: TENANT.to_owned(),
        job: None,
        outside: Outside::Asked(Arc::new(|_| true)),
        writes: Writes::All,
        ledger: Arc::new(Nobody),
    }
}

/// What a pull or a push says of itself.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Transfer>>>);

impl Heard {
    pub(crate) fn progress(&self) -> Progress {
        let heard = Arc::clone(&self.0);
        Arc::new(move |transfer| heard.lock().unwrap().push(transfer))
    }

    pub(crate) fn all(&self) -> Vec<Transfer> {
        self.0.lock().unwrap().clone()
    }
}

struct Nobody;

impl Ledger for Nobody {
    fn served(&self, _: Material) {}
    fn refused(&self, _: Refusal) {}
}

struct Loopback;

#[async_trait]
impl Resolve for Loopback {
    async fn resolve(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

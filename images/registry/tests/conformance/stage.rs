//! A registry with a store of its own, on a loopback socket.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use hyper::Method;
use kiln_registry::{
    caller::{Caller, Outside as Admitted, Writes},
    content::{Blob, Chunks, Manifest, Part},
    digest::Digest,
    mirror::Extent,
    name::{Host, RepositoryName, Target},
    problem::{Code, Problem},
    record::{Ledger, Material, Origin, Refusal},
    registry::{Outside, Registry, Via},
    store::{Limits, Store},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{
    client::{Client, Reply},
    content,
};

pub(crate) struct Stage {
    pub(crate) registry: Registry,
    pub(crate) client: Client,
    pub(crate) told: Arc<Told>,
    pub(crate) outside: Arc<Upstreams>,
    pub(crate) tenant: String,
    _shared: Arc<Shared>,
}

/// Making one takes longer than most tests, so those that run at a time have one together; each has
/// a tenant of its own.
struct Shared {
    store: Store,
    _directory: TempDir,
}

impl Shared {
    fn store() -> Arc<Self> {
        static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let new = Self::open(Limits::default());
            *shared = Arc::downgrade(&new);
            new
        })
    }

    fn open(limits: Limits) -> Arc<Self> {
        let directory = TempDir::new().unwrap();
        let store = Store::open(directory.path(), limits).unwrap();
        Arc::new(Self { store, _directory: directory })
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::over(Shared::store()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::over(Shared::open(limits)).await
    }

    async fn over(shared: Arc<Shared>) -> Self {
        static TENANTS: AtomicU32 = AtomicU32::new(0);

        let tenant = format!("tenant{}", TENANTS.fetch_add(1, Ordering::Relaxed));
        let outside = Arc::new(Upstreams::default());
        let mirror = Arc::new(Mirrored(outside.clone()));
        let registry = Registry::new(shared.store.clone(), mirror);
        let told = Arc::new(Told::default());
        let client = listen(&registry, caller(&tenant, &told), Via::Loopback).await;
        Self { registry, client, told, tenant, outside, _shared: shared }
    }

    /// A guest's of the same tenant.
    pub(crate) async fn guest(&self) -> Client {
        self.client(&self.tenant, Via::Guest).await
    }

    /// Another tenant's, who has nothing.
    pub(crate) async fn stranger(&self, via: Via) -> Client {
        self.client(&format!("{}-other", self.tenant), via).await
    }

    /// Another's client of the same registry.
    async fn client(&self, tenant: &str, via: Via) -> Client {
        listen(&self.registry, caller(tenant, &Arc::default()), via).await
    }

    /// In one request.
    pub(crate) async fn push_blob(&self, name: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let target = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        let pushed = self.client.ask(Method::POST, &target).body(bytes.to_vec()).send().await;
        assert_eq!(pushed.has(201).location(), format!("/v2/{name}/blobs/{digest}"));
        digest
    }

    pub(crate) async fn put(&self, name: &str, reference: &str, manifest: &Value) -> Reply {
        let bytes = content::bytes(manifest);
        let media_type = manifest["mediaType"].as_str().unwrap_or(content::IMAGE);
        self.put_bytes(name, reference, media_type, bytes).await
    }

    pub(crate) async fn put_bytes(
        &self,
        name: &str,
        reference: &str,
        media_type: &str,
        bytes: Vec<u8>,
    ) -> Reply {
        let target = format!("/v2/{name}/manifests/{reference}");
        let put = self.client.ask(Method::PUT, &target).header("content-type", media_type);
        put.body(bytes).send().await
    }

    /// A config and a layer of its own, below a tag.
    pub(crate) async fn push_image(&self, name: &str, tag: &str, seed: u64) -> (Digest, Value) {
        let (config, layer) = (content::blob(seed, 64), content::blob(seed + 1, 300));
        self.push_blob(name, &config).await;
        self.push_blob(name, &layer).await;
        let image = content::image(&config, &[&layer]);
        let digest = Digest::of(&content::bytes(&image));
        let put = self.put(name, tag, &image).await.has(201);
        assert_eq!(put.header("docker-content-digest"), digest.to_string());
        (digest, image)
    }
}

pub(crate) fn caller(tenant: &str, told: &Arc<Told>) -> Caller {
    Caller {
        tenant: tenant.to_owned(),
        job: None,
        outside: Admitted::Asked(Arc::new(|_: &Host| true)),
        writes: Writes::All,
        ledger: told.clone(),
    }
}

pub(crate) async fn listen(registry: &Registry, caller: Caller, via: Via) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let registry = registry.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (registry, caller) = (registry.clone(), caller.clone());
            tokio::spawn(async move { registry.serve(stream, caller, via).await });
        }
    });
    Client { address }
}

/// What a ledger was told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) served: Mutex<Vec<Material>>,
    pub(crate) refused: Mutex<Vec<Refusal>>,
}

impl Ledger for Told {
    fn served(&self, material: Material) {
        self.served.lock().unwrap().push(material);
    }

    fn refused(&self, refusal: Refusal) {
        self.refused.lock().unwrap().push(refusal);
    }
}

/// Registries outside, as the mirror tells of them.
#[derive(Default)]
pub(crate) struct Upstreams {
    pub(crate) manifests: Mutex<HashMap<String, Manifest>>,
    pub(crate) blobs: Mutex<HashMap<Digest, Lie>>,
    pub(crate) asked: Mutex<Vec<String>>,
}

/// Blobs need not be what they are called.
pub(crate) struct Lie {
    pub(crate) size: u64,
    pub(crate) chunks: Vec<Result<Bytes, io::ErrorKind>>,
}

/// The mirror's side of them.
pub(crate) struct Mirrored(pub(crate) Arc<Upstreams>);

#[async_trait]
impl Outside for Mirrored {
    async fn manifest(
        &self,
        _: &Caller,
        host: &Host,
        name: &RepositoryName,
        target: &Target,
    ) -> Result<Manifest, Problem> {
        let full = format!("{host}/{name} {target}");
        self.0.asked.lock().unwrap().push(full.clone());
        let known = self.0.manifests.lock().unwrap().get(&full).cloned();
        known.ok_or_else(|| Problem::new(Code::ManifestUnknown, 404, "not there\r\nä"))
    }

    async fn blob(
        &self,
        _: &Caller,
        host: &Host,
        name: &RepositoryName,
        digest: Digest,
        extent: Extent,
    ) -> Result<Blob, Problem> {
        self.0.asked.lock().unwrap().push(format!("{host}/{name} {digest}"));
        let blobs = self.0.blobs.lock().unwrap();
        let unknown = || Problem::new(Code::BlobUnknown, 404, "not there");
        let Lie { size, chunks } = blobs.get(&digest).ok_or_else(unknown)?;
        let mut given: Vec<io::Result<Bytes>> =
            chunks.iter().map(|chunk| chunk.clone().map_err(Into::into)).collect();
        match extent {
            Extent::Head => given.clear(),
            Extent::Whole => {}
            Extent::Part(Part { start, length }) => {
                let whole: Vec<u8> = given.drain(..).flat_map(Result::unwrap).collect();
                let [start, end] = [start, start + length].map(|at| usize::try_from(at).unwrap());
                given.push(Ok(Bytes::copy_from_slice(&whole[start..end])));
            }
        }
        let chunks: Chunks = Box::pin(tokio_stream::iter(given));
        Ok(Blob { digest, size: *size, origin: Origin::Fetched, chunks })
    }
}

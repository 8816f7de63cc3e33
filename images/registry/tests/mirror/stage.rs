//! A mirror with its store, the registries that it is told of, and who asks it.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use kiln_registry::{
    caller::{Caller, Outside, Writes},
    content::{self, Part},
    digest::Digest,
    mirror::{Ages, Config, Extent, Limits, Mirror, Patience},
    name::{Host, RepositoryName},
    problem::Problem,
    record::{Ledger, Material, Refusal},
    registries::Registries,
    store::{self, Store},
    upstream::{self, Resolve, Upstream},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::upstream::Registry;

pub(crate) struct Stage {
    pub(crate) mirror: Mirror,
    pub(crate) store: Store,
    /// Of the store.
    _directory: TempDir,
}

/// What a stage is made of.
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) limits: upstream::Limits,
    registries: Value,
    credentials: Vec<Value>,
    names: Vec<(String, IpAddr)>,
    directory: TempDir,
}

impl Plan {
    pub(crate) fn new() -> Self {
        let config = Config {
            ages: Ages {
                fresh: Duration::from_secs(60),
                rights: Duration::from_secs(86_400),
                patience: Duration::from_secs(2),
            },
            limits: Limits {
                asks_per_minute: 10_000,
                misses_per_minute: 10_000,
                asks_at_once: 64,
                downloads_at_once: 64,
            },
            patience: Patience {
                linger: Duration::from_millis(300),
                resumes: 3,
                pause: Duration::from_millis(10),
                slowest: (10_000, Duration::from_secs(3)),
            },
            is_offline: false,
        };
        let limits = upstream::Limits {
            connect: Duration::from_secs(1),
            answer: Duration::from_millis(1500),
            stall: Duration::from_millis(1500),
            operation: Duration::from_secs(3),
            tries: 2,
            back_off: Duration::from_millis(20),
            ..upstream::Limits::default()
        };
        let directory = tempfile::tempdir().unwrap();
        let registries = json!({});
        let (credentials, names) = (Vec::new(), Vec::new());
        Self { config, limits, registries, credentials, names, directory }
    }

    /// The operator says of it what has to be said of one on this machine.
    pub(crate) fn knows(mut self, registry: &Registry) -> Self {
        self.registries[registry.host().as_str()] = json!({"http": true, "private": true});
        self
    }

    pub(crate) fn says(mut self, host: &str, what: Value) -> Self {
        self.registries[host] = what;
        self
    }

    pub(crate) fn gives(
        self,
        registry: &Registry,
        tenant: &str,
        user: &str,
        password: &str,
    ) -> Self {
        self.gives_at(&registry.host(), tenant, user, password)
    }

    pub(crate) fn gives_at(
        mut self,
        host: &Host,
        tenant: &str,
        user: &str,
        password: &str,
    ) -> Self {
        let path = self.directory.path().join(format!("password-{}", self.credentials.len()));
        std::fs::write(&path, password).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, mode).unwrap();
        self.credentials.push(json!({
            "registry": host.as_str(),
            "tenants": [tenant],
            "username": user,
            "password_file": path,
        }));
        self
    }

    pub(crate) fn resolves(mut self, name: &str, address: &str) -> Self {
        self.names.push((name.to_owned(), address.parse().unwrap()));
        self
    }

    pub(crate) fn stage(self) -> Stage {
        let store = Store::open(&self.directory.path().join("registry"), store::Limits::default());
        let store = store.unwrap();
        self.stage_over(store)
    }

    fn stage_over(self, store: Store) -> Stage {
        let Self { config, limits, registries, credentials, names, directory } = self;
        let file = json!({"registries": registries, "credentials": credentials});
        let registries = Registries::parse(file.to_string().as_bytes()).unwrap();
        let settings = upstream::Config { registries, limits, ..upstream::Config::default() };
        let upstream = Upstream::new(settings, Arc::new(Names(names)));
        let mirror = Mirror::new(store.clone(), upstream, config);
        Stage { mirror, store, _directory: directory }
    }
}

/// Knows these, and addresses as they are.
struct Names(Vec<(String, IpAddr)>);

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(address) = name.trim_matches(['[', ']']).parse() {
            return Ok(vec![address]);
        }
        let found: Vec<_> =
            self.0.iter().filter(|(known, _)| known == name).map(|(_, address)| *address).collect();
        // Numbers are read as this machine reads them: in many ways.
        if found.is_empty() && (name == "localhost" || name.starts_with(|c: char| c.is_numeric())) {
            return Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect());
        }
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) served: Mutex<Vec<Material>>,
    pub(crate) refused: Mutex<Vec<Refusal>>,
}

impl Ledger for Book {
    fn served(&self, material: Material) {
        self.served.lock().unwrap().push(material);
    }

    fn refused(&self, refusal: Refusal) {
        self.refused.lock().unwrap().push(refusal);
    }
}

/// Who asks, and what was recorded of it.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) caller: Caller,
    pub(crate) book: Arc<Book>,
}

impl Asker {
    pub(crate) fn of(tenant: &str) -> Self {
        Self::with(tenant, Outside::Asked(Arc::new(|_| true)))
    }

    /// Of a job whose policy is `none`.
    pub(crate) fn inside(tenant: &str) -> Self {
        Self::with(tenant, Outside::StoredOnly)
    }

    pub(crate) fn with(tenant: &str, outside: Outside) -> Self {
        let book = Arc::new(Book::default());
        let ledger: Arc<dyn Ledger> = Arc::clone(&book) as _;
        let job = Some("job".to_owned());
        let writes = Writes::All;
        Self { caller: Caller { tenant: tenant.to_owned(), job, outside, writes, ledger }, book }
    }

    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        self.book.refused.lock().unwrap().clone()
    }
}

impl Stage {
    pub(crate) async fn manifest(
        &self,
        asker: &Asker,
        registry: &Registry,
        name: &str,
        target: &str,
    ) -> Result<content::Manifest, Problem> {
        self.manifest_of(asker, &registry.host(), name, target).await
    }

    pub(crate) async fn manifest_of(
        &self,
        asker: &Asker,
        host: &Host,
        name: &str,
        target: &str,
    ) -> Result<content::Manifest, Problem> {
        let name: RepositoryName = name.parse().unwrap();
        self.mirror.manifest(&asker.caller, host, &name, &target.parse().unwrap()).await
    }

    pub(crate) async fn blob(
        &self,
        asker: &Asker,
        registry: &Registry,
        name: &str,
        digest: Digest,
    ) -> Result<content::Blob, Problem> {
        self.extent(asker, registry, name, digest, Extent::Whole).await
    }

    pub(crate) async fn part(
        &self,
        asker: &Asker,
        registry: &Registry,
        name: &str,
        digest: Digest,
        (start, length): (u64, u64),
    ) -> Result<content::Blob, Problem> {
        self.extent(asker, registry, name, digest, Extent::Part(Part { start, length })).await
    }

    pub(crate) async fn extent(
        &self,
        asker: &Asker,
        registry: &Registry,
        name: &str,
        digest: Digest,
        extent: Extent,
    ) -> Result<content::Blob, Problem> {
        self.blob_of(asker, &registry.host(), name, digest, extent).await
    }

    pub(crate) async fn blob_of(
        &self,
        asker: &Asker,
        host: &Host,
        name: &str,
        digest: Digest,
        extent: Extent,
    ) -> Result<content::Blob, Problem> {
        let name: RepositoryName = name.parse().unwrap();
        self.mirror.blob(&asker.caller, host, &name, digest, extent).await
    }
}

/// All of it, or how much came before it broke.
pub(crate) async fn read(mut blob: content::Blob) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::new();
    while let Some(chunk) = blob.chunks.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(_) => return Err(bytes.len()),
        }
    }
    Ok(bytes)
}

/// That it broke, before or while it was read.
pub(crate) async fn broken(answer: Result<content::Blob, Problem>) -> bool {
    match answer {
        Ok(blob) => read(blob).await.is_err(),
        Err(_) => true,
    }
}

/// Bytes that are not the same twice in a row.
pub(crate) fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

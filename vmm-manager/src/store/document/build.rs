//! What a build was asked to be. A secret's value never comes here: the domain has only its name.

mod export;

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use self::export::{CacheTo, ExportDocument};
use super::DocumentError;
use crate::job::{
    Build, CacheExport, CacheImport, ContextSource, Dockerfile, Entitlement, Export, NamedContext,
    RunNetwork, SshSource, Ulimit,
};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuildDocument {
    context: Option<usize>,
    dockerfile: File,
    target: Option<String>,
    build_args: Vec<(String, String)>,
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
    contexts: Vec<Context>,
    platforms: Vec<String>,
    no_cache: bool,
    no_cache_filter: Vec<String>,
    pull: bool,
    add_hosts: Vec<(String, IpAddr)>,
    network: Network,
    shm_bytes: Option<u64>,
    ulimits: Vec<(String, i64, i64)>,
    allow: Vec<Allow>,
    secrets: Vec<String>,
    ssh: Vec<Ssh>,
    cache_from: Vec<String>,
    cache_to: Vec<CacheTo>,
    exports: Vec<ExportDocument>,
    provenance: Option<String>,
    sbom: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum File {
    InContext(String),
    /// In base64: nothing says that it is text.
    Inline(String),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Context {
    name: String,
    from: Origin,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Origin {
    Input(usize),
    Reference(String),
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Network {
    Host,
    None,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Allow {
    NetworkHost,
    SecurityInsecure,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Ssh {
    id: String,
    key: bool,
}

impl From<&Build> for BuildDocument {
    fn from(build: &Build) -> Self {
        let Build {
            context,
            dockerfile,
            target,
            build_args,
            labels,
            annotations,
            contexts,
            platforms,
            no_cache,
            no_cache_filter,
            pull,
            add_hosts,
            network,
            shm_bytes,
            ulimits,
            allow,
            secrets,
            ssh,
            cache_from,
            cache_to,
            exports,
            provenance,
            sbom,
        } = build.clone();
        let ulimit = |Ulimit { name, soft, hard }| (name, soft, hard);
        Self {
            context,
            dockerfile: dockerfile.into(),
            target,
            build_args,
            labels,
            annotations,
            contexts: contexts.into_iter().map(Context::from).collect(),
            platforms,
            no_cache,
            no_cache_filter,
            pull,
            add_hosts,
            network: network.into(),
            shm_bytes,
            ulimits: ulimits.into_iter().map(ulimit).collect(),
            allow: allow.into_iter().map(Allow::from).collect(),
            secrets,
            ssh: ssh.into_iter().map(|SshSource { id, key }| Ssh { id, key }).collect(),
            cache_from: cache_from.into_iter().map(|CacheImport { reference }| reference).collect(),
            cache_to: cache_to.into_iter().map(CacheTo::from).collect(),
            exports: exports.into_iter().map(ExportDocument::from).collect(),
            provenance,
            sbom,
        }
    }
}

impl TryFrom<BuildDocument> for Build {
    type Error = DocumentError;

    fn try_from(document: BuildDocument) -> Result<Self, DocumentError> {
        let BuildDocument {
            context,
            dockerfile,
            target,
            build_args,
            labels,
            annotations,
            contexts,
            platforms,
            no_cache,
            no_cache_filter,
            pull,
            add_hosts,
            network,
            shm_bytes,
            ulimits,
            allow,
            secrets,
            ssh,
            cache_from,
            cache_to,
            exports,
            provenance,
            sbom,
        } = document;
        let ulimit = |(name, soft, hard)| Ulimit { name, soft, hard };
        Ok(Self {
            context,
            dockerfile: dockerfile.try_into()?,
            target,
            build_args,
            labels,
            annotations,
            contexts: contexts.into_iter().map(NamedContext::from).collect(),
            platforms,
            no_cache,
            no_cache_filter,
            pull,
            add_hosts,
            network: network.into(),
            shm_bytes,
            ulimits: ulimits.into_iter().map(ulimit).collect(),
            allow: allow.into_iter().map(Entitlement::from).collect(),
            secrets,
            ssh: ssh.into_iter().map(|Ssh { id, key }| SshSource { id, key }).collect(),
            cache_from: cache_from.into_iter().map(|reference| CacheImport { reference }).collect(),
            cache_to: cache_to.into_iter().map(CacheExport::from).collect(),
            exports: exports.into_iter().map(Export::from).collect(),
            provenance,
            sbom,
        })
    }
}

impl From<Dockerfile> for File {
    fn from(dockerfile: Dockerfile) -> Self {
        match dockerfile {
            Dockerfile::InContext(path) => Self::InContext(path),
            Dockerfile::Inline(text) => Self::Inline(STANDARD.encode(text)),
        }
    }
}

impl TryFrom<File> for Dockerfile {
    type Error = DocumentError;

    fn try_from(file: File) -> Result<Self, DocumentError> {
        match file {
            File::InContext(path) => Ok(Self::InContext(path)),
            File::Inline(text) => match STANDARD.decode(&text) {
                Ok(bytes) => Ok(Self::Inline(bytes.into())),
                Err(_) => Err(DocumentError::Field { field: "dockerfile", value: text }),
            },
        }
    }
}

impl From<NamedContext> for Context {
    fn from(NamedContext { name, from }: NamedContext) -> Self {
        let from = match from {
            ContextSource::Input(input) => Origin::Input(input),
            ContextSource::Reference(reference) => Origin::Reference(reference),
        };
        Self { name, from }
    }
}

impl From<Context> for NamedContext {
    fn from(Context { name, from }: Context) -> Self {
        let from = match from {
            Origin::Input(input) => ContextSource::Input(input),
            Origin::Reference(reference) => ContextSource::Reference(reference),
        };
        Self { name, from }
    }
}

impl From<RunNetwork> for Network {
    fn from(network: RunNetwork) -> Self {
        match network {
            RunNetwork::Host => Self::Host,
            RunNetwork::None => Self::None,
        }
    }
}

impl From<Network> for RunNetwork {
    fn from(network: Network) -> Self {
        match network {
            Network::Host => Self::Host,
            Network::None => Self::None,
        }
    }
}

impl From<Entitlement> for Allow {
    fn from(entitlement: Entitlement) -> Self {
        match entitlement {
            Entitlement::NetworkHost => Self::NetworkHost,
            Entitlement::SecurityInsecure => Self::SecurityInsecure,
        }
    }
}

impl From<Allow> for Entitlement {
    fn from(allow: Allow) -> Self {
        match allow {
            Allow::NetworkHost => Self::NetworkHost,
            Allow::SecurityInsecure => Self::SecurityInsecure,
        }
    }
}

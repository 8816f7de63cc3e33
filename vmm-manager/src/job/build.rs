//! What a build was asked to be: checked, with every default filled in, and without a secret's value.

use std::net::IpAddr;

/// The context and named contexts are the job's inputs, the exports its outputs: here they stand by
/// their place in those lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Of the job's inputs.
    pub context: Option<usize>,
    pub dockerfile: Dockerfile,
    pub target: Option<String>,
    /// Each name once, as are the next two.
    pub build_args: Vec<(String, String)>,
    pub labels: Vec<(String, String)>,
    /// `[TYPE[PLATFORM]:]KEY`.
    pub annotations: Vec<(String, String)>,
    pub contexts: Vec<NamedContext>,
    /// Empty means the guest's own.
    pub platforms: Vec<String>,
    pub no_cache: bool,
    pub no_cache_filter: Vec<String>,
    pub pull: bool,
    pub add_hosts: Vec<(String, IpAddr)>,
    pub network: RunNetwork,
    pub shm_bytes: Option<u64>,
    pub ulimits: Vec<Ulimit>,
    pub allow: Vec<Entitlement>,
    /// Ids; their values are held apart, in memory.
    pub secrets: Vec<String>,
    pub ssh: Vec<SshSource>,
    pub cache_from: Vec<CacheImport>,
    pub cache_to: Vec<CacheExport>,
    pub exports: Vec<Export>,
    pub provenance: Option<String>,
    pub sbom: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Dockerfile {
    /// In the context, relative to it, without `..`.
    InContext(String),
    /// The file itself, with the `.dockerignore` beside it having done its work at the client.
    Inline(bytes::Bytes),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedContext {
    pub name: String,
    pub from: ContextSource,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextSource {
    /// Of the job's inputs.
    Input(usize),
    /// `docker-image://…`, `https://…`, `target:…`.
    Reference(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunNetwork {
    /// The guest's, which is as open as its egress policy.
    #[default]
    Host,
    None,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulimit {
    pub name: String,
    pub soft: i64,
    pub hard: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entitlement {
    NetworkHost,
    SecurityInsecure,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSource {
    pub id: String,
    /// A key that came with the request; else the client's agent is relayed.
    pub key: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheImport {
    pub reference: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheExport {
    Inline,
    Registry {
        reference: String,
        /// Else `min`.
        max: bool,
        compression: Option<Compression>,
        ignore_error: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// As its output has it.
    pub name: String,
    /// Of the job's outputs.
    pub output: usize,
    pub kind: ExportKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportKind {
    Image(ImageExport),
    Tree { platform_split: bool },
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, as the engine has it"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageExport {
    /// `local/NAME[:TAG]`, or of registries outside.
    pub names: Vec<String>,
    pub push: bool,
    pub push_by_digest: bool,
    /// `None`: as the engine does it, which is gzip.
    pub compression: Option<Compression>,
    pub compression_level: Option<u32>,
    pub force_compression: bool,
    pub rewrite_timestamp: bool,
    pub docker_media_types: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Uncompressed,
    Gzip,
    Estargz,
    Zstd,
}

impl Compression {
    /// In buildx's words, and the wire's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uncompressed => "uncompressed",
            Self::Gzip => "gzip",
            Self::Estargz => "estargz",
            Self::Zstd => "zstd",
        }
    }
}

impl std::fmt::Debug for Dockerfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InContext(path) => f.debug_tuple("InContext").field(path).finish(),
            Self::Inline(text) => write!(f, "Inline({} bytes)", text.len()),
        }
    }
}

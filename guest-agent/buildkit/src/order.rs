//! What is to be built, as one process tells it to another.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// In the engine's words, such as `compression` and `zstd`.
pub type Attributes = BTreeMap<String, String>;

/// Whoever writes it has checked it: every path is absolute, no name is there twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The socket of docker's engine.
    pub engine: PathBuf,
    /// A directory. Without one the context is empty.
    pub context: Option<PathBuf>,
    pub dockerfile: Dockerfile,
    /// Named ones.
    pub contexts: Vec<(String, Context)>,
    pub secrets: Vec<Secret>,
    pub ssh: Vec<Ssh>,
    /// None: the build is made for its caches alone.
    pub exports: Vec<Export>,
    pub cache_from: Vec<CacheImport>,
    pub cache_to: Vec<CacheExport>,
    /// `OS/ARCH[/VARIANT]`; none: the engine's own.
    pub platforms: Vec<String>,

    pub target: Option<String>,
    pub build_args: Vec<(String, String)>,
    pub labels: Vec<(String, String)>,
    /// As `--annotation` has them: `[TYPE[-TYPE…]:]KEY` and a value.
    pub annotations: Vec<(String, String)>,
    pub add_hosts: Vec<AddHost>,
    pub no_cache: bool,
    pub no_cache_filter: Vec<String>,
    pub pull: bool,
    /// Of RUN steps that say nothing else.
    pub network: Network,
    pub shm_bytes: Option<u64>,
    /// `NAME=SOFT:HARD`.
    pub ulimits: Vec<String>,
    /// What steps may ask for.
    pub allow: Vec<String>,
    /// As `--provenance` has it; `None`: none.
    pub provenance: Option<String>,
    /// As `--sbom` has it; `None`: none.
    pub sbom: Option<String>,
}

/// In a directory that holds it and, it may be, what it ignores: the context, or another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dockerfile {
    pub directory: PathBuf,
    /// In the directory.
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    Directory(PathBuf),
    /// `docker-image://…`, `https://…`, `target:…`.
    Reference(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    pub id: String,
    /// Its value.
    pub path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    pub id: String,
    pub from: SshFrom,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SshFrom {
    /// Of an agent.
    Socket(PathBuf),
    /// A private key.
    Key(PathBuf),
}

/// A row of bytes that the engine makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    pub kind: ExportKind,
    pub attributes: Attributes,
    /// It is there, and is written to from its beginning: a pipe, as a rule.
    pub path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportKind {
    Oci,
    Tar,
}

/// Of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheImport {
    /// With `ref`.
    pub attributes: Attributes,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheExport {
    Inline,
    /// With `ref`.
    Registry(Attributes),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddHost {
    pub name: String,
    pub address: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    #[default]
    Host,
    None,
}

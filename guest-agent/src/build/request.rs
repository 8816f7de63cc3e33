//! A build as the host asked for it, checked: what is held here can be told to the engine's client.

use std::{path::PathBuf, time::Duration};

use kiln_buildkit::{self as client, CacheExport, CacheImport, Context, ExportKind};
use kiln_proto::agent::v1::{
    BuildCache, BuildContext, BuildOutput, BuildSsh, BuildStart, DiskFormat, PackRequest,
    build_context::From, build_output::Kind,
};

use super::{
    option::{self, InvalidOption},
    parts::{InvalidPart, Parts, is_name},
    platform::{InvalidPlatform, Platform},
};
use crate::transfer::{InvalidOrder, Order};

/// Far more than anyone has asked for.
const MAX_ITEMS: usize = 1024;
/// Each a disk.
const MAX_OUTPUTS: usize = 16;
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// With its parts.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) start: BuildStart,
    pub(crate) parts: Parts,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Build {
    /// But for what is arranged here: the engine, its files, and the fields below.
    pub(crate) order: client::Order,
    /// In the context. `None`: it is a part.
    pub(crate) dockerfile: Option<String>,
    /// Each has its part.
    pub(crate) secrets: Vec<String>,
    pub(crate) ssh: Vec<Ssh>,
    pub(crate) exports: Vec<Export>,
    pub(crate) platforms: Vec<Platform>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) parts: Parts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ssh {
    Relayed(String),
    /// It has its part.
    Key(String),
}

/// From the engine to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Export {
    /// As whoever asks for its length will ask.
    pub(crate) order: Order,
    pub(crate) told: client::Export,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoBuild {
    #[error("the build was begun before, not here, and what it was given is lost")]
    PartsLost,
    #[error("{what} {name:?} was not brought along")]
    NoPart { what: &'static str, name: String },
    #[error("{what} {name:?} was brought along and is not named")]
    SparePart { what: &'static str, name: String },
    #[error("there are more than {limit} of {what}")]
    TooMany { what: &'static str, limit: usize },
    #[error("{what} is not an absolute path without `..`: {path:?}")]
    Path { what: &'static str, path: String },
    #[error("the Dockerfile {0:?} is not a path in the context")]
    Dockerfile(String),
    #[error("the Dockerfile stands in the context and was brought along as well")]
    TwoDockerfiles,
    #[error("{what} has no name that can be told: {name:?}")]
    Name { what: &'static str, name: String },
    #[error("context {0:?} says not where it is from")]
    Context(String),
    #[error("an output does not say what it is")]
    Kind,
    #[error("two outputs go through {0:?}")]
    Twice(PathBuf),
    #[error("{what} is empty, too long or not printable")]
    Text { what: &'static str },
    #[error(transparent)]
    Option(#[from] InvalidOption),
    #[error(transparent)]
    Part(#[from] InvalidPart),
    #[error(transparent)]
    Platform(#[from] InvalidPlatform),
    #[error(transparent)]
    Output(#[from] InvalidOrder),
}

impl TryFrom<Asked> for Build {
    type Error = NoBuild;

    fn try_from(asked: Asked) -> Result<Self, NoBuild> {
        let Asked { start, parts } = asked;
        let BuildStart {
            // The register's.
            id: _,
            output_offset: _,
            timeout_millis,
            resumed,
            context,
            dockerfile,
            options,
            contexts,
            secrets,
            ssh,
            outputs,
            cache_from,
            cache_to,
            platforms,
        } = start;
        for (what, count, limit) in [
            ("contexts", contexts.len(), MAX_ITEMS),
            ("secrets", secrets.len(), MAX_ITEMS),
            ("ssh", ssh.len(), MAX_ITEMS),
            ("outputs", outputs.len(), MAX_OUTPUTS),
            ("caches", cache_from.len() + cache_to.len(), MAX_ITEMS),
            ("platforms", platforms.len(), MAX_ITEMS),
        ] {
            if count > limit {
                return Err(NoBuild::TooMany { what, limit });
            }
        }
        let mut order = client::Order {
            context: some(context).map(|path| absolute("the context", path)).transpose()?,
            contexts: contexts.into_iter().map(context_of).collect::<Result<_, _>>()?,
            cache_from: cache_from.into_iter().map(import).collect::<Result<_, _>>()?,
            cache_to: cache_to.into_iter().map(export).collect::<Result<_, _>>()?,
            ..client::Order::default()
        };
        option::put(options.unwrap_or_default(), &mut order)?;
        let build = Self {
            order,
            dockerfile: some(dockerfile).map(in_context).transpose()?,
            secrets: secrets
                .into_iter()
                .map(|name| named("a secret", name))
                .collect::<Result<_, _>>()?,
            ssh: ssh.into_iter().map(Ssh::try_from).collect::<Result<_, _>>()?,
            exports: outputs.into_iter().map(Export::try_from).collect::<Result<_, _>>()?,
            platforms: platforms.into_iter().map(Platform::try_from).collect::<Result<_, _>>()?,
            timeout: Some(timeout_millis).filter(|millis| *millis != 0).map(Duration::from_millis),
            parts,
        };
        build.check_exports()?;
        build.check_parts().map_err(|error| match error {
            NoBuild::NoPart { .. } if resumed => NoBuild::PartsLost,
            error => error,
        })?;
        Ok(build)
    }
}

impl Build {
    fn check_exports(&self) -> Result<(), NoBuild> {
        for (index, export) in self.exports.iter().enumerate() {
            if self.exports[..index].iter().any(|before| before.told.path == export.told.path) {
                return Err(NoBuild::Twice(export.told.path.clone()));
            }
        }
        Ok(())
    }

    /// What is named was brought along, and nothing else.
    fn check_parts(&self) -> Result<(), NoBuild> {
        let keys: Vec<&String> = self.ssh.iter().filter_map(Ssh::key).collect();
        let secrets: Vec<&String> = self.secrets.iter().collect();
        for (what, named, brought) in [
            ("the secret", secrets, &self.parts.secrets),
            ("the ssh key", keys, &self.parts.ssh_keys),
        ] {
            if let Some(name) = named.iter().find(|name| !brought.contains_key(**name)) {
                return Err(NoBuild::NoPart { what, name: (*name).clone() });
            }
            if let Some(name) = brought.keys().find(|name| !named.contains(name)) {
                return Err(NoBuild::SparePart { what, name: name.clone() });
            }
        }
        match (&self.dockerfile, &self.parts.dockerfile) {
            (Some(_), Some(_)) => return Err(NoBuild::TwoDockerfiles),
            (None, None) => {
                return Err(NoBuild::NoPart { what: "the file", name: "Dockerfile".into() });
            }
            (Some(path), None) if self.order.context.is_none() => {
                return Err(NoBuild::Dockerfile(path.clone()));
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        if self.parts.ignore.is_some() && self.parts.dockerfile.is_none() {
            let name = ".dockerignore".to_owned();
            return Err(NoBuild::SparePart { what: "the file", name });
        }
        Ok(())
    }
}

impl Ssh {
    pub(crate) fn id(&self) -> &String {
        match self {
            Self::Relayed(id) | Self::Key(id) => id,
        }
    }

    fn key(&self) -> Option<&String> {
        match self {
            Self::Relayed(_) => None,
            Self::Key(id) => Some(id),
        }
    }
}

impl TryFrom<BuildSsh> for Ssh {
    type Error = NoBuild;

    fn try_from(ssh: BuildSsh) -> Result<Self, NoBuild> {
        let BuildSsh { id, relayed } = ssh;
        let id = named("an ssh agent", id)?;
        Ok(if relayed { Self::Relayed(id) } else { Self::Key(id) })
    }
}

impl TryFrom<BuildOutput> for Export {
    type Error = NoBuild;

    fn try_from(output: BuildOutput) -> Result<Self, NoBuild> {
        let BuildOutput { disk, path, kind, attributes } = output;
        let (kind, known) = match Kind::try_from(kind) {
            Ok(Kind::Oci) => (ExportKind::Oci, option::IMAGE),
            Ok(Kind::Tar) => (ExportKind::Tar, option::TREE),
            Ok(Kind::Unspecified) | Err(_) => return Err(NoBuild::Kind),
        };
        let attributes = option::attributes("an output", attributes, known)?;
        let checked = absolute("an output", path.clone())?;
        let order = Order::try_from(PackRequest { disk, format: DiskFormat::Raw.into(), path })?;
        Ok(Self { order, told: client::Export { kind, attributes, path: checked } })
    }
}

fn import(reference: String) -> Result<CacheImport, NoBuild> {
    check_text("a cache", &reference)?;
    Ok(CacheImport { attributes: [("ref".to_owned(), reference)].into() })
}

fn export(cache: BuildCache) -> Result<CacheExport, NoBuild> {
    let BuildCache { reference, attributes } = cache;
    if reference.is_empty() {
        option::attributes("an inline cache", attributes, &[])?;
        return Ok(CacheExport::Inline);
    }
    check_text("a cache", &reference)?;
    let mut attributes = option::attributes("a cache", attributes, option::CACHE)?;
    attributes.insert("ref".to_owned(), reference);
    Ok(CacheExport::Registry(attributes))
}

fn context_of(context: BuildContext) -> Result<(String, Context), NoBuild> {
    let BuildContext { name, from } = context;
    if name.is_empty() || name.len() > MAX_TEXT_BYTES || name.contains(['=', '\0', '\n']) {
        return Err(NoBuild::Name { what: "a context", name });
    }
    let value = match from {
        Some(From::Path(path)) => Context::Directory(absolute("a context", path)?),
        Some(From::Reference(reference)) => {
            check_text("a context", &reference)?;
            let remote = ["docker-image://", "https://", "http://", "git://", "target:"];
            if !remote.iter().any(|scheme| reference.starts_with(scheme)) {
                return Err(NoBuild::Context(name));
            }
            Context::Reference(reference)
        }
        None => return Err(NoBuild::Context(name)),
    };
    Ok((name, value))
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn named(what: &'static str, name: String) -> Result<String, NoBuild> {
    if is_name(&name) { Ok(name) } else { Err(NoBuild::Name { what, name }) }
}

fn check_text(what: &'static str, text: &str) -> Result<(), NoBuild> {
    let usual = !text.is_empty() && text.len() <= MAX_TEXT_BYTES;
    if usual && !text.chars().any(char::is_control) { Ok(()) } else { Err(NoBuild::Text { what }) }
}

fn absolute(what: &'static str, path: String) -> Result<PathBuf, NoBuild> {
    let climbs = path.split('/').any(|part| part == "..");
    if !path.starts_with('/') || climbs || path.contains('\0') || path.len() > MAX_TEXT_BYTES {
        return Err(NoBuild::Path { what, path });
    }
    Ok(path.into())
}

fn in_context(path: String) -> Result<String, NoBuild> {
    let climbs = path.split('/').any(|part| part == "..");
    if path.starts_with('/') || climbs || path.contains('\0') || path.len() > MAX_TEXT_BYTES {
        return Err(NoBuild::Dockerfile(path));
    }
    Ok(path)
}

#[cfg(test)]
mod tests;

//! An order in the engine's words, as `docker buildx build` would have said it.

mod annotation;
mod attributes;
mod dockerfile;

use std::{collections::HashMap, path::PathBuf};

use bollard_buildkit_proto::moby::buildkit::v1::{
    CacheOptions, CacheOptionsEntry, Exporter, SolveRequest,
};

use crate::{Attributes, CacheExport, Context, Export, ExportKind, Network, Order};

const FRONTEND: &str = "dockerfile.v0";
const NETWORK_HOST: &str = "network.host";

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidOrder {
    #[error("--no-cache and --no-cache-filter cannot currently be used together")]
    NoCacheTwice,
    #[error("annotation {0:?} is of no kind: write KEY, manifest:KEY or index:KEY")]
    Annotation(String),
}

/// What is asked of the engine, and the directories it may then ask for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) solve: SolveRequest,
    pub(crate) directories: HashMap<String, PathBuf>,
}

/// In place of a context that there is not, `empty`.
pub(crate) fn request(order: &Order, session: &str, empty: PathBuf) -> Result<Asked, InvalidOrder> {
    if order.no_cache && !order.no_cache_filter.is_empty() {
        return Err(InvalidOrder::NoCacheTwice);
    }
    let exporters = exporters(order)?;
    let imports: Vec<CacheOptionsEntry> = order.cache_from.iter().map(import).collect();
    let mut exports: Vec<CacheOptionsEntry> = order.cache_to.iter().map(export).collect();
    if attributes::is_set(order, "BUILDKIT_INLINE_CACHE") {
        exports.push(export(&CacheExport::Inline));
    }
    let mut entitlements = order.allow.clone();
    if order.network == Network::Host {
        entitlements.push(NETWORK_HOST.to_owned());
    }
    let first = exporters.first().cloned().unwrap_or_default();
    let solve = SolveRequest {
        r#ref: crate::random::id(),
        session: session.to_owned(),
        frontend: FRONTEND.to_owned(),
        frontend_attrs: attributes::attributes(order),
        // Engines before several exporters were known take the first from here.
        exporter_deprecated: first.r#type,
        exporter_attrs_deprecated: first.attrs,
        exporters,
        cache: Some(CacheOptions { imports, exports, ..CacheOptions::default() }),
        entitlements,
        // Of it no history is kept: what its steps print would stay on the engine's disk.
        internal: true,
        ..SolveRequest::default()
    };
    Ok(Asked { solve, directories: directories(order, empty) })
}

fn exporters(order: &Order) -> Result<Vec<Exporter>, InvalidOrder> {
    let annotations = annotation::attributes(&order.annotations)?;
    let exporter = |export: &Export| {
        let Export { kind, attributes, path: _ } = export;
        let (name, is_image) = match kind {
            ExportKind::Oci => ("oci", true),
            ExportKind::Tar => ("tar", false),
        };
        let mut attributes = map(attributes);
        attributes.extend(annotations.iter().cloned());
        if is_image
            && let Some(value) = attributes::build_arg(order, "BUILDKIT_INLINE_BUILDINFO_ATTRS")
        {
            attributes.insert("buildinfo-attrs".into(), value.clone());
        }
        Exporter { r#type: name.into(), attrs: attributes }
    };
    Ok(order.exports.iter().map(exporter).collect())
}

fn import(import: &crate::CacheImport) -> CacheOptionsEntry {
    CacheOptionsEntry { r#type: "registry".into(), attrs: map(&import.attributes) }
}

fn export(export: &CacheExport) -> CacheOptionsEntry {
    let (name, attrs) = match export {
        CacheExport::Inline => ("inline", HashMap::new()),
        CacheExport::Registry(attributes) => ("registry", map(attributes)),
    };
    CacheOptionsEntry { r#type: name.into(), attrs }
}

fn map(attributes: &Attributes) -> HashMap<String, String> {
    attributes.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn directories(order: &Order, empty: PathBuf) -> HashMap<String, PathBuf> {
    let mut all = HashMap::from([
        ("context".to_owned(), order.context.clone().unwrap_or(empty)),
        ("dockerfile".to_owned(), order.dockerfile.directory.clone()),
    ]);
    for (name, context) in &order.contexts {
        if let Context::Directory(path) = context {
            all.insert(attributes::local_name(name), path.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests;

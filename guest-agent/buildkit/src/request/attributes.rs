//! What the Dockerfile's frontend is told.

use std::collections::HashMap;

use serde::Serialize;

use super::dockerfile;
use crate::{Attributes, Context, Network, Order};

/// For names in `--build-context` that the engine has for itself.
pub(super) fn local_name(name: &str) -> String {
    match name {
        "context" | "dockerfile" => format!("_{name}"),
        name => name.to_owned(),
    }
}

pub(super) fn build_arg<'a>(order: &'a Order, name: &str) -> Option<&'a String> {
    order.build_args.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// As Go reads it.
pub(super) fn is_set(order: &Order, name: &str) -> bool {
    build_arg(order, name).is_some_and(|value| truth(value) == Some(true))
}

fn truth(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn attestations(order: &Order) -> impl Iterator<Item = (&'static str, String)> {
    let all = [("provenance", &order.provenance), ("sbom", &order.sbom)];
    all.into_iter().filter_map(|(kind, value)| Some((kind, attestation(kind, value.as_deref()?)?)))
}

/// `None` where it is turned off.
fn attestation(kind: &str, value: &str) -> Option<String> {
    match truth(value) {
        _ if value.is_empty() => None,
        Some(false) => None,
        Some(true) => Some(format!("type={kind},disabled=false")),
        None => {
            let is_off = |field: &str| {
                field.strip_prefix("disabled=").is_some_and(|value| truth(value) == Some(true))
            };
            (!value.split(',').any(is_off)).then(|| format!("type={kind},{value}"))
        }
    }
}

pub(super) fn attributes(order: &Order) -> HashMap<String, String> {
    let mut all = HashMap::new();
    let mut set = |name: &str, value: String| drop(all.insert(name.to_owned(), value));
    if is_set(order, "BUILDKIT_MULTI_PLATFORM") {
        set("multi-platform", "true".into());
    }
    for (kind, value) in attestations(order) {
        set(&format!("attest:{kind}"), value);
    }
    set("filename", dockerfile::name(&order.dockerfile));
    for (name, context) in &order.contexts {
        set("frontend.caps", "moby.buildkit.frontend.contexts+forward".into());
        let value = match context {
            Context::Reference(reference) => reference.clone(),
            Context::Directory(_) => format!("local:{}", local_name(name)),
        };
        set(&format!("context:{name}"), value);
    }
    set("image-resolve-mode", if order.pull { "pull" } else { "local" }.into());
    if let Some(target) = &order.target
        && !target.is_empty()
    {
        set("target", target.clone());
    }
    if !order.no_cache_filter.is_empty() {
        set("no-cache", order.no_cache_filter.join(","));
    }
    if order.no_cache {
        set("no-cache", String::new());
    }
    for (name, value) in &order.build_args {
        set(&format!("build-arg:{name}"), value.clone());
    }
    for (name, value) in &order.labels {
        set(&format!("label:{name}"), value.clone());
    }
    if !order.platforms.is_empty() {
        set("platform", order.platforms.join(","));
    }
    let network = match order.network {
        Network::Host => "host",
        Network::None => "none",
    };
    set("force-network-mode", network.into());
    if !order.add_hosts.is_empty() {
        let hosts =
            order.add_hosts.iter().map(|host| format!("{}={}", host.name, plain(&host.address)));
        set("add-hosts", hosts.collect::<Vec<_>>().join(","));
    }
    if let Some(bytes) = order.shm_bytes.filter(|bytes| *bytes != 0) {
        set("shm-size", bytes.to_string());
    }
    if !order.ulimits.is_empty() {
        set("ulimit", order.ulimits.join(","));
    }
    if !order.cache_from.is_empty() {
        set("cache-imports", imports(order));
    }
    all
}

/// Addresses of IPv6 may stand in brackets.
fn plain(address: &str) -> &str {
    let inside = address.strip_prefix('[').and_then(|address| address.strip_suffix(']'));
    inside.filter(|inside| !inside.is_empty()).unwrap_or(address)
}

fn imports(order: &Order) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Import<'a> {
        r#type: &'static str,
        attrs: &'a Attributes,
    }
    let all: Vec<_> = order
        .cache_from
        .iter()
        .map(|import| Import { r#type: "registry", attrs: &import.attributes })
        .collect();
    // Of strings alone: there is nothing that could not be written.
    serde_json::to_string(&all).unwrap_or_default()
}

//! What steps are to have, and what the image is to say of itself.

use crate::{
    guest::{BuildOptions, BuildPair},
    job::{Build, Entitlement, RunNetwork, Ulimit},
};

pub(super) fn options(build: &Build) -> BuildOptions {
    let Build {
        context: _,
        dockerfile: _,
        target,
        build_args,
        labels,
        annotations,
        contexts: _,
        platforms: _,
        no_cache,
        no_cache_filter,
        pull,
        add_hosts,
        network,
        shm_bytes,
        ulimits,
        allow,
        secrets: _,
        ssh: _,
        cache_from: _,
        cache_to: _,
        exports: _,
        provenance,
        sbom,
    } = build;
    let hosts = add_hosts.iter().map(|(name, address)| pair(name, address.to_string()));
    let scanner = sbom.as_ref().map(|scanner| format!("generator={scanner}"));
    BuildOptions {
        target: target.clone().unwrap_or_default(),
        build_args: pairs(build_args),
        labels: pairs(labels),
        annotations: pairs(annotations),
        add_hosts: hosts.collect(),
        no_cache: *no_cache,
        no_cache_filter: no_cache_filter.clone(),
        pull: *pull,
        no_network: *network == RunNetwork::None,
        shm_bytes: shm_bytes.unwrap_or_default(),
        ulimits: ulimits.iter().map(Ulimit::told).collect(),
        allow: allow.iter().map(|one| one.name().to_owned()).collect(),
        // Ours comes from the host; the engine's only where it is asked for.
        provenance: provenance.clone().unwrap_or_default(),
        sbom: scanner.unwrap_or_default(),
    }
}

fn pairs(pairs: &[(String, String)]) -> Vec<BuildPair> {
    pairs.iter().map(|(name, value)| pair(name, value.clone())).collect()
}

fn pair(name: &str, value: String) -> BuildPair {
    BuildPair { name: name.to_owned(), value }
}

impl Ulimit {
    fn told(&self) -> String {
        let Self { name, soft, hard } = self;
        format!("{name}={soft}:{hard}")
    }
}

impl Entitlement {
    const fn name(self) -> &'static str {
        match self {
            Self::NetworkHost => "network.host",
            Self::SecurityInsecure => "security.insecure",
        }
    }
}

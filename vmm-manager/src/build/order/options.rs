//! Options of the engine's client that are told as it has them: one table.

use crate::job::{Build, Entitlement, RunNetwork};

/// `--NAME` or `--NAME=VALUE`, in the order of the table.
pub(super) fn options(build: &Build) -> Vec<String> {
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
    let mut options = Options(Vec::new());
    for (name, address) in add_hosts {
        options.value("add-host", format!("{name}:{address}"));
    }
    for entitlement in allow {
        options.value("allow", entitlement.name());
    }
    for (key, value) in annotations {
        options.value("annotation", format!("{key}={value}"));
    }
    for (name, value) in build_args {
        options.value("build-arg", format!("{name}={value}"));
    }
    for (name, value) in labels {
        options.value("label", format!("{name}={value}"));
    }
    // The guest has no other: its own is the host's in the engine's words.
    options.value("network", network.name());
    if *no_cache {
        options.flag("no-cache");
    }
    for stage in no_cache_filter {
        options.value("no-cache-filter", stage);
    }
    // Ours comes from the host; the engine's only where it is asked for.
    options.value("provenance", provenance.as_deref().unwrap_or("false"));
    if *pull {
        options.flag("pull");
    }
    match sbom {
        Some(scanner) => options.value("sbom", format!("generator={scanner}")),
        None => options.value("sbom", "false"),
    }
    if let Some(bytes) = shm_bytes {
        options.value("shm-size", bytes);
    }
    if let Some(target) = target {
        options.value("target", target);
    }
    for ulimit in ulimits {
        options.value("ulimit", format!("{}={}:{}", ulimit.name, ulimit.soft, ulimit.hard));
    }
    options.0
}

struct Options(Vec<String>);

impl Options {
    fn flag(&mut self, name: &str) {
        self.0.push(format!("--{name}"));
    }

    fn value(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.push(format!("--{name}={value}"));
    }
}

impl RunNetwork {
    const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::None => "none",
        }
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

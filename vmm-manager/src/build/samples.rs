//! Builds for tests.

use crate::job::{Build, Dockerfile, RunNetwork};

/// Of a context with a Dockerfile, and with nothing to come of it.
pub(crate) fn build() -> Build {
    Build {
        context: None,
        dockerfile: Dockerfile::InContext("Dockerfile".to_owned()),
        target: None,
        build_args: Vec::new(),
        labels: Vec::new(),
        annotations: Vec::new(),
        contexts: Vec::new(),
        platforms: Vec::new(),
        no_cache: false,
        no_cache_filter: Vec::new(),
        pull: false,
        add_hosts: Vec::new(),
        network: RunNetwork::Host,
        shm_bytes: None,
        ulimits: Vec::new(),
        allow: Vec::new(),
        secrets: Vec::new(),
        ssh: Vec::new(),
        cache_from: Vec::new(),
        cache_to: Vec::new(),
        exports: Vec::new(),
        provenance: None,
        sbom: None,
    }
}

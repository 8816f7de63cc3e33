//! What was typed, as kilnd wants it, but for its sources. What was left out is kilnd's to fill in.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    io,
};

use kiln_proto::v1;

use super::secrets::Secrets;
use crate::{
    args::{
        Attest, BuildArguments, CacheFrom, CacheTo, NamedFrom, NamedSource, Network, Provenance,
        Sbom, Ulimit, Variable,
    },
    run::{Egress, fresh_key},
};

#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Key(#[from] io::Error),
    #[error("--build-arg {name}: its value in your environment is not UTF-8")]
    NotUtf8 { name: String },
    #[error("the timeout is longer than the wire can carry")]
    Timeout,
}

/// `own` looks a name up in the caller's environment.
pub(super) fn from_arguments(
    arguments: &BuildArguments,
    egress: &Egress,
    exports: Vec<v1::BuildExport>,
    secrets: &Secrets,
    own: impl Fn(&str) -> Option<OsString>,
) -> Result<v1::CreateBuildRequest, RequestError> {
    let timeout = arguments.timeout.map(prost_types::Duration::try_from).transpose();
    let build = build(arguments, exports, secrets, own)?;
    let idempotency_key = match &arguments.idempotency_key {
        Some(key) => key.clone(),
        None => fresh_key()?,
    };
    Ok(v1::CreateBuildRequest {
        project: arguments.project.clone().unwrap_or_default(),
        idempotency_key,
        secrets: secrets.values.clone(),
        spec: Some(v1::JobSpec {
            cpus: arguments.cpus.unwrap_or_default(),
            memory_bytes: arguments.memory.unwrap_or_default(),
            disk_bytes: arguments.disk.unwrap_or_default(),
            timeout: timeout.map_err(|_| RequestError::Timeout)?,
            egress: Some(egress.wire()),
            work: Some(v1::job_spec::Work::Build(build)),
            ..v1::JobSpec::default()
        }),
    })
}

fn build(
    arguments: &BuildArguments,
    exports: Vec<v1::BuildExport>,
    secrets: &Secrets,
    own: impl Fn(&str) -> Option<OsString>,
) -> Result<v1::BuildSpec, RequestError> {
    let (Provenance(provenance), Sbom(sbom)) = attestations(arguments);
    let pair = |(key, value)| v1::KeyValue { key, value };
    let labels = arguments.label.iter().map(|label| (label.key.clone(), label.value.clone()));
    let annotations = arguments.annotation.iter();
    Ok(v1::BuildSpec {
        context_source_id: String::new(),
        dockerfile: None,
        target: arguments.target.clone().unwrap_or_default(),
        build_args: build_arguments(&arguments.build_arg, own)?.into_iter().map(pair).collect(),
        // The last one of a name wins.
        labels: labels.collect::<BTreeMap<_, _>>().into_iter().map(pair).collect(),
        annotations: annotations
            .map(|annotation| (annotation.key.clone(), annotation.value.clone()))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .map(pair)
            .collect(),
        contexts: arguments.build_context.iter().map(context).collect(),
        platforms: each_once(arguments.platform.iter().flat_map(|several| several.0.clone())),
        no_cache: arguments.no_cache,
        // Of no stage is anything taken then.
        no_cache_filter: if arguments.no_cache {
            Vec::new()
        } else {
            each_once(arguments.no_cache_filter.iter().cloned())
        },
        pull: arguments.pull,
        add_hosts: each_once(arguments.add_host.iter().map(|host| host.0.clone())),
        network: arguments.network.map(Network::name).unwrap_or_default().to_owned(),
        shm_bytes: arguments.shm_size.unwrap_or_default(),
        ulimits: ulimits(&arguments.ulimit),
        allow: each_once(arguments.allow.iter().map(|allow| allow.name().to_owned())),
        secrets: secrets.names.clone(),
        ssh: secrets.ssh.clone(),
        cache_from: arguments.cache_from.iter().map(import).collect(),
        cache_to: arguments.cache_to.iter().map(export).collect(),
        exports,
        provenance: provenance.unwrap_or_default(),
        sbom: sbom.unwrap_or_default(),
        max_export_bytes: 0,
    })
}

/// The last one of a name wins; what does not stand in the caller's environment is not passed on.
fn build_arguments(
    arguments: &[Variable],
    own: impl Fn(&str) -> Option<OsString>,
) -> Result<BTreeMap<String, String>, RequestError> {
    let mut gathered = BTreeMap::new();
    for Variable { name, value } in arguments {
        let value = match value {
            Some(value) => value.clone(),
            None => match own(name).map(OsString::into_string) {
                None => continue,
                Some(Ok(value)) => value,
                Some(Err(_)) => return Err(RequestError::NotUtf8 { name: name.clone() }),
            },
        };
        gathered.insert(name.clone(), value);
    }
    Ok(gathered)
}

/// Its source is filled in when it has been sent.
fn context(NamedSource { name, from }: &NamedSource) -> v1::NamedContext {
    let from = match from {
        NamedFrom::Directory(_) => None,
        NamedFrom::Reference(reference) => {
            Some(v1::named_context::From::Reference(reference.clone()))
        }
    };
    v1::NamedContext { name: name.clone(), from }
}

fn each_once(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = BTreeSet::new();
    words.filter(|word| known.insert(word.clone())).collect()
}

/// The last one of a name wins.
fn ulimits(ulimits: &[Ulimit]) -> Vec<String> {
    let mut gathered = BTreeMap::new();
    for Ulimit(text) in ulimits {
        let name = text.split_once('=').map_or(text.as_str(), |(name, _)| name);
        gathered.insert(name, text.clone());
    }
    gathered.into_values().collect()
}

fn import(CacheFrom { reference }: &CacheFrom) -> v1::CacheImport {
    v1::CacheImport { reference: reference.clone() }
}

fn export(cache: &CacheTo) -> v1::CacheExport {
    match cache {
        CacheTo::Inline => v1::CacheExport { inline: true, ..v1::CacheExport::default() },
        CacheTo::Registry { reference, mode, compression, ignore_error } => v1::CacheExport {
            inline: false,
            reference: reference.clone(),
            mode: mode.name().to_owned(),
            compression: compression.map(|way| way.name().to_owned()).unwrap_or_default(),
            ignore_error: *ignore_error,
        },
    }
}

/// `--attest` first, as buildx has it: the shorthands win.
fn attestations(arguments: &BuildArguments) -> (Provenance, Sbom) {
    let (mut provenance, mut sbom) = (Provenance::default(), Sbom::default());
    for attest in &arguments.attest {
        match attest {
            Attest::Provenance(asked) => provenance = asked.clone(),
            Attest::Sbom(asked) => sbom = asked.clone(),
        }
    }
    (arguments.provenance.clone().unwrap_or(provenance), arguments.sbom.clone().unwrap_or(sbom))
}

//! What was asked of a build, as it was understood.

use bytes::Bytes;
use kiln_proto::v1::{self, build_export, build_spec, job_spec::Work, named_context};

use crate::job::{
    Build, CacheExport, CacheImport, Compression, ContextSource, Dockerfile, Entitlement, Export,
    ExportKind, ImageExport, InputDisk, NamedContext, OutputDisk, RunNetwork, SshSource, Ulimit,
};

pub(in crate::api::outgoing) fn spec(
    build: &Build,
    inputs: &[InputDisk],
    outputs: &[OutputDisk],
) -> v1::BuildSpec {
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
    let source =
        |input: usize| inputs.get(input).map(|input| input.source.to_string()).unwrap_or_default();
    v1::BuildSpec {
        context_source_id: context.map(source).unwrap_or_default(),
        dockerfile: Some(match dockerfile {
            Dockerfile::InContext(path) => build_spec::Dockerfile::DockerfilePath(path),
            // Long, and asked for by itself: see `whole_job`.
            Dockerfile::Inline(_) => build_spec::Dockerfile::DockerfileInline(Bytes::new()),
        }),
        target: target.unwrap_or_default(),
        build_args: pairs(build_args),
        labels: pairs(labels),
        annotations: pairs(annotations),
        contexts: contexts.into_iter().map(|context| named_context(context, source)).collect(),
        platforms,
        no_cache,
        no_cache_filter,
        pull,
        add_hosts: add_hosts.into_iter().map(|(host, ip)| format!("{host}:{ip}")).collect(),
        network: match network {
            RunNetwork::Host => "host",
            RunNetwork::None => "none",
        }
        .to_owned(),
        shm_bytes: shm_bytes.unwrap_or_default(),
        ulimits: ulimits.into_iter().map(ulimit).collect(),
        allow: allow.into_iter().map(entitlement).collect(),
        secrets,
        ssh: ssh.into_iter().map(|SshSource { id, key }| v1::SshSource { id, key }).collect(),
        cache_from: cache_from
            .into_iter()
            .map(|CacheImport { reference }| v1::CacheImport { reference })
            .collect(),
        cache_to: cache_to.into_iter().map(cache_export).collect(),
        exports: exports.into_iter().map(export).collect(),
        provenance: provenance.unwrap_or_default(),
        sbom: sbom.unwrap_or_default(),
        // One for all.
        max_export_bytes: outputs.first().map_or(0, |output| output.max_bytes),
    }
}

/// Puts the Dockerfile in, where it came with the request.
pub(in crate::api::outgoing) fn add_dockerfile(wire: &mut v1::JobSpec, build: &Build) {
    if let (Some(Work::Build(wire)), Dockerfile::Inline(text)) = (&mut wire.work, &build.dockerfile)
    {
        wire.dockerfile = Some(build_spec::Dockerfile::DockerfileInline(text.clone()));
    }
}

fn pairs(pairs: Vec<(String, String)>) -> Vec<v1::KeyValue> {
    pairs.into_iter().map(|(key, value)| v1::KeyValue { key, value }).collect()
}

fn named_context(context: NamedContext, source: impl Fn(usize) -> String) -> v1::NamedContext {
    let NamedContext { name, from } = context;
    let from = match from {
        ContextSource::Input(input) => named_context::From::SourceId(source(input)),
        ContextSource::Reference(text) => named_context::From::Reference(text),
    };
    v1::NamedContext { name, from: Some(from) }
}

fn ulimit(ulimit: Ulimit) -> String {
    let Ulimit { name, soft, hard } = ulimit;
    format!("{name}={soft}:{hard}")
}

fn entitlement(entitlement: Entitlement) -> String {
    match entitlement {
        Entitlement::NetworkHost => "network.host",
        Entitlement::SecurityInsecure => "security.insecure",
    }
    .to_owned()
}

fn cache_export(export: CacheExport) -> v1::CacheExport {
    match export {
        CacheExport::Inline => v1::CacheExport { inline: true, ..v1::CacheExport::default() },
        CacheExport::Registry { reference, max, compression, ignore_error } => v1::CacheExport {
            inline: false,
            reference,
            mode: if max { "max" } else { "min" }.to_owned(),
            compression: compression.map(compression_name).unwrap_or_default(),
            ignore_error,
        },
    }
}

fn compression_name(compression: Compression) -> String {
    compression.name().to_owned()
}

fn export(export: Export) -> v1::BuildExport {
    let Export { name, output: _, kind } = export;
    let kind = match kind {
        ExportKind::Image(image) => build_export::Kind::Image(image_export(image)),
        ExportKind::Tree { platform_split } => {
            build_export::Kind::Tree(v1::TreeExport { platform_split })
        }
    };
    v1::BuildExport { name, kind: Some(kind) }
}

fn image_export(image: ImageExport) -> v1::ImageExport {
    let ImageExport {
        names,
        push,
        push_by_digest,
        compression,
        compression_level,
        force_compression,
        rewrite_timestamp,
        docker_media_types,
    } = image;
    v1::ImageExport {
        names,
        push,
        push_by_digest,
        compression: compression.map(compression_name).unwrap_or_default(),
        compression_level: compression_level.unwrap_or_default(),
        force_compression,
        rewrite_timestamp,
        docker_media_types,
    }
}

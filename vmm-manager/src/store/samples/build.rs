//! Builds, and what became of them.

use std::net::IpAddr;

use proptest::{collection::vec, option, prelude::*};

use super::{text, times};
use crate::{
    build::{BuildRecord, Content, Image, PlatformImage, StepRecord, WarningRecord},
    job::{
        Build, CacheExport, CacheImport, Compression, ContextSource, Dockerfile, Entitlement,
        Export, ExportKind, ImageExport, NamedContext, RunNetwork, SshSource, Ulimit,
    },
};

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((text(), text()), 0..3)
}

fn compressions() -> impl Strategy<Value = Option<Compression>> {
    option::of(prop_oneof![
        Just(Compression::Uncompressed),
        Just(Compression::Gzip),
        Just(Compression::Estargz),
        Just(Compression::Zstd),
    ])
}

fn exports() -> impl Strategy<Value = Export> {
    let flags = any::<[bool; 5]>();
    let image = (texts(), flags, compressions(), option::of(any::<u32>())).prop_map(
        |(names, flags, compression, compression_level)| {
            let [push, push_by_digest, force_compression, rewrite_timestamp, docker_media_types] =
                flags;
            ExportKind::Image(ImageExport {
                names,
                push,
                push_by_digest,
                compression,
                compression_level,
                force_compression,
                rewrite_timestamp,
                docker_media_types,
            })
        },
    );
    let tree = any::<bool>().prop_map(|platform_split| ExportKind::Tree { platform_split });
    (text(), 0..9_usize, prop_oneof![image, tree]).prop_map(|(name, output, kind)| Export {
        name,
        output,
        kind,
    })
}

fn caches() -> impl Strategy<Value = CacheExport> {
    let registry = (text(), any::<bool>(), compressions(), any::<bool>()).prop_map(
        |(reference, max, compression, ignore_error)| CacheExport::Registry {
            reference,
            max,
            compression,
            ignore_error,
        },
    );
    prop_oneof![Just(CacheExport::Inline), registry]
}

pub(in crate::store) fn builds() -> impl Strategy<Value = Build> {
    let dockerfile = prop_oneof![
        text().prop_map(Dockerfile::InContext),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Dockerfile::Inline(bytes.into())),
    ];
    let from = prop_oneof![
        (0..9_usize).prop_map(ContextSource::Input),
        text().prop_map(ContextSource::Reference),
    ];
    let context = (text(), from).prop_map(|(name, from)| NamedContext { name, from });
    let network = prop_oneof![Just(RunNetwork::Host), Just(RunNetwork::None)];
    let allow = prop_oneof![Just(Entitlement::NetworkHost), Just(Entitlement::SecurityInsecure)];
    let ulimit = (text(), any::<i64>(), any::<i64>()).prop_map(|(name, soft, hard)| Ulimit {
        name,
        soft,
        hard,
    });
    let ssh = (text(), any::<bool>()).prop_map(|(id, key)| SshSource { id, key });
    let words = (option::of(0..9_usize), dockerfile, option::of(text()), pairs(), pairs(), pairs());
    let places = (vec(context, 0..3), texts(), any::<[bool; 2]>(), texts());
    let limits = (
        vec((text(), any::<IpAddr>()), 0..3),
        network,
        option::of(any::<u64>()),
        vec(ulimit, 0..3),
        vec(allow, 0..3),
    );
    let ends = (
        texts(),
        vec(ssh, 0..3),
        texts(),
        vec(caches(), 0..3),
        vec(exports(), 0..3),
        option::of(text()),
        option::of(text()),
    );
    (words, places, limits, ends).prop_map(|(words, places, limits, ends)| {
        let (context, dockerfile, target, build_args, labels, annotations) = words;
        let (contexts, platforms, [no_cache, pull], no_cache_filter) = places;
        let (add_hosts, network, shm_bytes, ulimits, allow) = limits;
        let (secrets, ssh, cache_from, cache_to, exports, provenance, sbom) = ends;
        let cache_from = cache_from.into_iter().map(|reference| CacheImport { reference });
        Build {
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
            cache_from: cache_from.collect(),
            cache_to,
            exports,
            provenance,
            sbom,
        }
    })
}

fn contents() -> impl Strategy<Value = Content> {
    (text(), text(), any::<u64>()).prop_map(|(digest, media_type, size_bytes)| Content {
        digest,
        media_type,
        size_bytes,
    })
}

fn images() -> impl Strategy<Value = Image> {
    let contents_of = || vec(contents(), 0..3);
    let platform = (text(), contents(), contents(), contents_of(), contents_of()).prop_map(
        |(platform, manifest, config, layers, attestations)| PlatformImage {
            platform,
            manifest,
            config,
            layers,
            attestations,
        },
    );
    (text(), contents(), any::<u64>(), vec(platform, 0..3), texts()).prop_map(
        |(export, content, total_bytes, platforms, names)| Image {
            export,
            content,
            total_bytes,
            platforms,
            names,
        },
    )
}

pub(in crate::store) fn built() -> impl Strategy<Value = BuildRecord> {
    let ends = (option::of(times()), option::of(times()), any::<bool>(), option::of(text()));
    let step =
        (any::<u32>(), text(), text(), vec(any::<u32>(), 0..3), ends).prop_map(
            |(number, digest, name, inputs, (started_at, completed_at, cached, error))| {
                StepRecord { number, digest, name, inputs, started_at, completed_at, cached, error }
            },
        );
    let warning = (any::<u32>(), text(), texts(), text(), text(), any::<u32>()).prop_map(
        |(step, text, details, url, file, line)| WarningRecord {
            step,
            text,
            details,
            url,
            file,
            line,
        },
    );
    let counts = (any::<[u32; 2]>(), any::<[u64; 2]>(), text(), texts());
    (vec(step, 0..3), vec(warning, 0..3), vec(images(), 0..3), counts).prop_map(
        |(
            steps,
            warnings,
            images,
            ([more_steps, more_warnings], bytes, cache_key, context_digests),
        )| {
            let [context_bytes, exported_bytes] = bytes;
            BuildRecord {
                steps,
                more_steps,
                warnings,
                more_warnings,
                images,
                cache_key,
                context_bytes,
                context_digests,
                exported_bytes,
            }
        },
    )
}

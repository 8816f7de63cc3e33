//! Each word that a guest is told.

use super::*;
use crate::{
    build::samples,
    guest::{BuildOptions, BuildPair},
    job::{
        CacheImport, Compression, DiskFormat, Entitlement, InputDisk, NamedContext, OutputDisk,
        RunNetwork, SourceId, SshSource, Ulimit, Work,
    },
    store::samples as jobs,
};

const JOB: &str = "01arz3ndektsv4rrffq69g5fav";
const STANDING: Standing =
    Standing { output_offset: 7, resumed: true, start_limit: Duration::from_secs(9) };

fn spec(build: &Build) -> JobSpec {
    let input = |path: &str| InputDisk {
        source: SourceId::generate(),
        path: path.to_owned(),
        format: DiskFormat::Tar,
    };
    let output = |name: &str| OutputDisk {
        name: name.to_owned(),
        path: format!("/run/kiln/build/out/{name}"),
        format: DiskFormat::Raw,
        max_bytes: 1 << 20,
    };
    JobSpec {
        work: Work::Build(Box::new(build.clone())),
        inputs: vec![input("/context"), input("/contexts/1")],
        outputs: vec![output("image"), output("tree")],
        ..jobs::spec("unused")
    }
}

fn of(build: &Build, secrets: &[Secret]) -> BuildCommand {
    command(&JOB.parse().unwrap(), &spec(build), build, secrets, STANDING)
}

fn image() -> ImageExport {
    ImageExport::default()
}

#[test]
fn a_plain_build_is_told_what_is_usual() {
    let build = Build { context: Some(0), ..samples::build() };
    let command = of(&build, &[]);
    assert_eq!((command.id.as_str(), command.output_offset, command.resumed), (JOB, 7, true));
    assert_eq!(command.context.as_deref(), Some("/context"));
    assert_eq!(command.dockerfile.as_deref(), Some("Dockerfile"));
    assert_eq!(command.options, BuildOptions::default());
    assert!(command.parts.is_empty() && command.outputs.is_empty());
}

#[test]
fn every_option_is_told_in_its_words() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let told = |name: &str, value: &str| BuildPair { name: name.into(), value: value.into() };
    let build = Build {
        target: Some("last".to_owned()),
        build_args: vec![pair("A", "1=2,\n3"), pair("B", "")],
        labels: vec![pair("l", "x")],
        annotations: vec![pair("index:a", "b")],
        no_cache: true,
        no_cache_filter: vec!["stage".to_owned()],
        pull: true,
        add_hosts: vec![("a.test".to_owned(), "192.0.2.1".parse().unwrap())],
        network: RunNetwork::None,
        shm_bytes: Some(1 << 20),
        ulimits: vec![Ulimit { name: "nofile".to_owned(), soft: 10, hard: 20 }],
        allow: vec![Entitlement::NetworkHost, Entitlement::SecurityInsecure],
        provenance: Some("mode=max".to_owned()),
        sbom: Some("one.test/scan:1".to_owned()),
        ..samples::build()
    };
    assert_eq!(
        of(&build, &[]).options,
        BuildOptions {
            target: "last".to_owned(),
            build_args: vec![told("A", "1=2,\n3"), told("B", "")],
            labels: vec![told("l", "x")],
            annotations: vec![told("index:a", "b")],
            add_hosts: vec![told("a.test", "192.0.2.1")],
            no_cache: true,
            no_cache_filter: vec!["stage".to_owned()],
            pull: true,
            no_network: true,
            shm_bytes: 1 << 20,
            ulimits: vec!["nofile=10:20".to_owned()],
            allow: vec!["network.host".to_owned(), "security.insecure".to_owned()],
            provenance: "mode=max".to_owned(),
            sbom: "generator=one.test/scan:1".to_owned(),
        }
    );
}

#[test]
fn what_has_a_value_that_is_kept_nowhere_goes_before() {
    let build = Build {
        dockerfile: Dockerfile::Inline("FROM scratch".into()),
        secrets: vec!["token".to_owned()],
        ssh: vec![
            SshSource { id: "key".to_owned(), key: true },
            SshSource { id: "agent".to_owned(), key: false },
        ],
        ..samples::build()
    };
    let secrets = [
        Secret::new(SecretKind::Secret, "token".to_owned(), *b"t"),
        Secret::new(SecretKind::SshKey, "key".to_owned(), *b"k"),
    ];
    let command = of(&build, &secrets);
    let told: Vec<_> =
        command.parts.iter().map(|part| (part.kind, part.name.as_str(), &part.data[..])).collect();
    assert_eq!(
        told,
        [
            (BuildPartKind::Secret, "token", &b"t"[..]),
            (BuildPartKind::SshKey, "key", b"k"),
            (BuildPartKind::Dockerfile, "", b"FROM scratch"),
        ]
    );
    assert_eq!(command.dockerfile, None);
    assert_eq!(command.secrets, ["token"]);
    assert_eq!(command.ssh.iter().map(|ssh| ssh.relayed).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn what_means_this_host_is_named_as_guests_reach_it() {
    let named = |name: &str, from| NamedContext { name: name.to_owned(), from };
    let reference = |text: &str| ContextSource::Reference(text.to_owned());
    let import = |text: &str| CacheImport { reference: text.to_owned() };
    let registry = |text: &str| CacheExport::Registry {
        reference: text.to_owned(),
        max: true,
        compression: Some(Compression::Zstd),
        ignore_error: true,
    };
    let build = Build {
        contexts: vec![
            named("a", ContextSource::Input(1)),
            named("b", reference("docker-image://local/base:1")),
            named("c", reference("docker-image://docker.io/library/debian:13")),
            named("d", reference("https://one.test/a.tar")),
        ],
        cache_from: vec![import("local/app/cache:main"), import("one.test/app:cache")],
        cache_to: vec![
            CacheExport::Inline,
            registry("local/app/cache:main"),
            registry("one.test/app:cache"),
        ],
        ..samples::build()
    };
    let command = of(&build, &[]);
    let from = |at: usize| command.contexts[at].1.clone();
    assert_eq!(from(0), BuildContext::Path("/contexts/1".to_owned()));
    for (at, expected) in [
        (1, "docker-image://registry.kiln:5000/local/base:1"),
        (2, "docker-image://docker.io/library/debian:13"),
        (3, "https://one.test/a.tar"),
    ] {
        assert_eq!(from(at), BuildContext::Reference(expected.to_owned()));
    }
    assert_eq!(
        command.cache_from,
        ["registry.kiln:5000/local/app/cache:main", "one.test/app:cache",]
    );
    let rest = words(
        "compression=zstd force-compression=true ignore-error=true image-manifest=true mode=max",
    );
    let registry = |at: usize| BuildCache {
        reference: format!("registry.kiln:5000/local/kiln.build/{JOB}/cache/{at}:cache"),
        attributes: rest.clone(),
    };
    assert_eq!(command.cache_to, [BuildCache::default(), registry(1), registry(2)]);
}

/// `NAME=VALUE …`.
fn words(text: &str) -> Attributes {
    attributes(text.split_whitespace().map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        (name, value.to_owned())
    }))
}

#[test]
fn exports_say_what_they_are_and_where_they_pass() {
    let export = |output, kind| Export { name: "unused".to_owned(), output, kind };
    let check = |platforms: &[&str], kind: ExportKind, expected: (Kind, &str)| {
        let platforms = platforms.iter().map(ToString::to_string).collect();
        let build = Build { platforms, exports: vec![export(1, kind)], ..samples::build() };
        let output = of(&build, &[]).outputs.remove(0);
        assert_eq!((output.kind(), &output.attributes), (expected.0, &words(expected.1)));
        assert_eq!(
            (output.disk.as_str(), output.path.as_str()),
            ("kiln-out-1", "/run/kiln/build/out/tree")
        );
    };
    let two = ["linux/amd64", "linux/arm64"];
    check(&[], ExportKind::Tree { platform_split: true }, (Kind::Tar, ""));
    check(&two, ExportKind::Tree { platform_split: true }, (Kind::Tar, "platform-split=true"));
    check(&two, ExportKind::Tree { platform_split: false }, (Kind::Tar, "platform-split=false"));
    check(&[], ExportKind::Image(image()), (Kind::Oci, "oci-mediatypes=true"));
    let all = ImageExport {
        names: vec!["local/a:1".to_owned()],
        push: true,
        push_by_digest: true,
        compression: Some(Compression::Gzip),
        compression_level: Some(3),
        force_compression: true,
        rewrite_timestamp: true,
        docker_media_types: true,
    };
    check(
        &[],
        ExportKind::Image(all),
        (
            Kind::Oci,
            "oci-mediatypes=false compression=gzip compression-level=3 force-compression=true \
             rewrite-timestamp=true",
        ),
    );
}

#[test]
fn the_key_is_of_what_is_built_and_of_nothing_else() {
    let sources = ["sha256:aa".to_owned(), "sha256:bb".to_owned()];
    let plain = Build { context: Some(0), ..samples::build() };
    let key = cache_key(&plain, &sources);
    assert!(key.starts_with("sha256:") && key.len() == 71, "{key}");
    let pair = |name: &str| (name.to_owned(), "1".to_owned());
    let exported = |names: &[&str]| {
        let names = names.iter().map(ToString::to_string).collect();
        let kind = ExportKind::Image(ImageExport { names, ..image() });
        vec![Export { name: "image".to_owned(), output: 0, kind }]
    };
    let of = |build: Build| cache_key(&build, &sources);
    for same in [
        Build { no_cache: true, ..plain.clone() },
        Build { pull: true, ..plain.clone() },
        Build { cache_to: vec![CacheExport::Inline], ..plain.clone() },
    ] {
        assert_eq!(of(same), key);
    }
    let args = |names: &[&str]| Build {
        build_args: names.iter().map(|name| pair(name)).collect(),
        ..plain.clone()
    };
    assert_eq!(of(args(&["A", "B"])), of(args(&["B", "A"])));
    assert_eq!(
        of(Build { exports: exported(&["local/a:1"]), ..plain.clone() }),
        of(Build { exports: exported(&["local/b:1"]), ..plain.clone() })
    );
    for other in [
        Build { context: Some(1), ..plain.clone() },
        Build { context: None, ..plain.clone() },
        Build { dockerfile: Dockerfile::Inline("Dockerfile".into()), ..plain.clone() },
        Build { target: Some("a".to_owned()), ..plain.clone() },
        Build { secrets: vec!["a".to_owned()], ..plain.clone() },
        Build { platforms: vec!["linux/arm64".to_owned()], ..plain.clone() },
        Build { exports: exported(&[]), ..plain.clone() },
        args(&["A"]),
        Build { labels: vec![pair("A")], ..plain.clone() },
        Build { network: RunNetwork::None, ..plain.clone() },
        Build { sbom: Some("a".to_owned()), ..plain.clone() },
    ] {
        assert_ne!(of(other.clone()), key, "{other:?}");
    }
}

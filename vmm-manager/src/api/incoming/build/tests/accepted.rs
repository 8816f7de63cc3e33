//! What is right, as it is understood.

use super::*;
use crate::job::{
    CacheExport, Compression, ContextSource, DiskFormat, Dockerfile, Entitlement, ExportKind,
    ImageExport, NamedContext, RunNetwork, Ulimit,
};

#[test]
fn defaults_are_those_of_builds() {
    let spec = spec(|_| {});
    assert_eq!((spec.cpus, spec.memory_bytes, spec.disk_bytes), (1, 2 << 30, 10 << 30));
    let Work::Build(build) = &spec.work else { panic!() };
    assert_eq!(build.dockerfile, Dockerfile::InContext("Dockerfile".to_owned()));
    assert_eq!((build.network, build.shm_bytes, &build.target), (RunNetwork::Host, None, &None));
    assert_eq!(spec.outputs[0].max_bytes, 10 << 30, "as much as the disk");
    let small = v1::JobSpec { disk_bytes: 1 << 30, ..request(valid()).spec.unwrap() };
    let small = v1::CreateBuildRequest { spec: Some(small), ..Default::default() };
    assert_eq!(asked(small).unwrap().spec.outputs[0].max_bytes, 1 << 30);
}

#[test]
fn no_default_is_more_than_the_host_keeps() {
    let exports: Vec<_> = (0..8).map(|index| tree_export(&format!("t{index}"))).collect();
    let spec = spec(|build| build.exports = exports);
    let total: u64 = spec.outputs.iter().map(|output| output.max_bytes).sum();
    assert_eq!(total, MOST_OUTPUT_BYTES);
}

#[test]
fn contexts_are_inputs_and_exports_are_outputs() {
    let (main, other) = (SourceId::generate(), SourceId::generate());
    let spec = spec(|build| {
        build.context_source_id = main.to_string();
        build.contexts = vec![
            from_outside("alpine:3", "docker-image://local/alpine:3"),
            from_source("group/files", other.as_str()),
            from_outside("stage", "target:base"),
            from_outside("repo", "https://git.test/app.git#main"),
        ];
        build.exports =
            vec![image_export("image", v1::ImageExport::default()), tree_export("files")];
        build.max_export_bytes = 4097;
    });
    let inputs: Vec<_> =
        spec.inputs.iter().map(|input| (&input.source, &*input.path, input.format)).collect();
    assert_eq!(
        inputs,
        [
            (&main, "/var/lib/kiln/build/context", DiskFormat::Tar),
            (&other, "/var/lib/kiln/build/contexts/1", DiskFormat::Tar),
        ]
    );
    let outputs: Vec<_> = spec
        .outputs
        .iter()
        .map(|output| (&*output.name, &*output.path, output.format, output.max_bytes))
        .collect();
    assert_eq!(
        outputs,
        [
            ("image", "/run/kiln/build/out/image", DiskFormat::Raw, 8192),
            ("files", "/run/kiln/build/out/files", DiskFormat::Raw, 8192),
        ]
    );
    let Work::Build(build) = spec.work else { panic!() };
    assert_eq!(build.context, Some(0));
    let files = NamedContext { name: "group/files".to_owned(), from: ContextSource::Input(1) };
    assert_eq!(build.contexts[1], files);
    assert_eq!(build.exports[1].output, 1);
    assert_eq!(build.exports[1].kind, ExportKind::Tree { platform_split: false });
}

#[test]
fn platforms_have_one_name_each() {
    for (said, meant) in [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("Linux/AMD64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("arm64", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
        ("linux/s390x", "linux/s390x"),
    ] {
        assert_eq!(build(|build| build.platforms = words([said])).platforms, [meant], "{said}");
    }
}

#[test]
fn a_dockerfile_is_in_the_context_or_here() {
    for (said, meant) in [("./a//b", "a/b"), ("d e.Dockerfile", "d e.Dockerfile"), ("..a", "..a")] {
        let read = build(|build| build.dockerfile = Some(path(said))).dockerfile;
        assert_eq!(read, Dockerfile::InContext(meant.to_owned()));
    }
    let read = build(|build| {
        build.context_source_id.clear();
        build.dockerfile = Some(inline("FROM scratch\n"));
    });
    assert_eq!(
        (read.context, read.dockerfile),
        (None, Dockerfile::Inline("FROM scratch\n".into()))
    );
}

#[test]
fn what_steps_run_in() {
    let build = build(|build| {
        build.add_hosts = words(["one.test:192.0.2.1", "six=2001:db8::1", "b:[2001:db8::2]"]);
        build.ulimits = words(["nofile=1024:2048", "core=-1", "nproc=5:-1"]);
        build.network = "none".to_owned();
        build.shm_bytes = 1 << 20;
        build.allow = words(["security.insecure", "network.host"]);
        build.target = "2".to_owned();
        build.no_cache_filter = words(["base", "build-2"]);
    });
    let hosts: Vec<_> =
        build.add_hosts.iter().map(|(host, address)| (&**host, address.to_string())).collect();
    let expected = [("one.test", "192.0.2.1"), ("six", "2001:db8::1"), ("b", "2001:db8::2")];
    assert!(hosts.iter().map(|(host, ip)| (*host, &**ip)).eq(expected));
    let ulimit = |name: &str, soft, hard| Ulimit { name: name.to_owned(), soft, hard };
    let expected = [ulimit("nofile", 1024, 2048), ulimit("core", -1, -1), ulimit("nproc", 5, -1)];
    assert_eq!(build.ulimits, expected);
    assert_eq!((build.network, build.shm_bytes), (RunNetwork::None, Some(1 << 20)));
    assert_eq!(build.allow, [Entitlement::SecurityInsecure, Entitlement::NetworkHost]);
}

#[test]
fn exports_and_caches_are_named_in_full() {
    let image = v1::ImageExport {
        names: words(["app", "local/app:1", "Registry.test:5443/team/app:v1"]),
        push: true,
        compression: "zstd".to_owned(),
        compression_level: 22,
        ..v1::ImageExport::default()
    };
    let cache = |reference: &str, mode: &str| v1::CacheExport {
        reference: reference.to_owned(),
        mode: mode.to_owned(),
        ..v1::CacheExport::default()
    };
    let build = build(|build| {
        build.exports = vec![image_export("image", image)];
        build.cache_from = vec![v1::CacheImport { reference: "debian".to_owned() }];
        build.cache_to = vec![
            v1::CacheExport { inline: true, ..v1::CacheExport::default() },
            cache("local/cache", "max"),
        ];
        build.provenance = "mode=max,builder-id=https://ci.test/1".to_owned();
        build.sbom = "true".to_owned();
        build.annotations = vec![pair("org.test", "1"), pair("index,manifest[linux/amd64]:a", "2")];
    });
    let expected = ImageExport {
        names: words([
            "docker.io/library/app:latest",
            "local/app:1",
            "registry.test:5443/team/app:v1",
        ]),
        push: true,
        compression: Some(Compression::Zstd),
        compression_level: Some(22),
        ..ImageExport::default()
    };
    assert_eq!(build.exports[0].kind, ExportKind::Image(expected));
    assert_eq!(build.cache_from[0].reference, "docker.io/library/debian:latest");
    let max = CacheExport::Registry {
        reference: "local/cache:latest".to_owned(),
        max: true,
        compression: None,
        ignore_error: false,
    };
    assert_eq!(build.cache_to, [CacheExport::Inline, max]);
    assert_eq!(build.sbom.as_deref(), Some("docker.io/docker/buildkit-syft-scanner:stable-1"));
}

#[test]
fn secrets_are_kept_apart_from_the_spec() {
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----\n";
    let secret = |id: &str, value: &str, ssh_key| v1::SecretValue {
        id: id.to_owned(),
        value: value.to_owned().into(),
        ssh_key,
    };
    let request = v1::CreateBuildRequest {
        // The same id twice, for two things.
        secrets: vec![secret("default", key, true), secret("default", "hunter2", false)],
        ..changed(|build| {
            build.secrets = words(["default"]);
            let source = |id: &str, key| v1::SshSource { id: id.to_owned(), key };
            build.ssh = vec![source("default", true), source("agent", false)];
        })
    };
    let new = asked(request).unwrap();
    assert_eq!(new.secrets.len(), 2);
    let shown = format!("{new:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains(&format!("{:?}", b"hunter2".to_vec())), "{shown}");
}

#[test]
fn what_is_asked_is_given_back_as_it_was_understood() {
    let request = changed(|build| {
        build.contexts = vec![from_source("files", SourceId::generate().as_str())];
        build.platforms = words(["arm64"]);
        build.build_args = vec![pair("A", "it's \"$HOME\"\n`id`")];
        build.add_hosts = words(["six=[2001:db8::1]"]);
        build.ulimits = words(["core=-1"]);
        build.allow = words(["network.host"]);
        build.exports[0] = image_export(
            "image",
            v1::ImageExport { names: words(["app"]), push: true, ..Default::default() },
        );
    });
    let first = asked(request).unwrap().spec;
    let wire = crate::api::outgoing::spec::job_spec(&first);
    assert!(wire.inputs.is_empty() && wire.outputs.is_empty());
    let again = v1::CreateBuildRequest { spec: Some(wire), ..Default::default() };
    assert_eq!(asked(again).unwrap().spec, first);
}

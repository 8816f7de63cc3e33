//! What is wrong, by the name of its field.

use super::*;

#[test]
fn what_is_not_for_builds() {
    refused(v1::CreateBuildRequest::default(), "spec", "is missing");
    let of = |spec| v1::CreateBuildRequest { spec: Some(spec), ..Default::default() };
    let valid_spec = || request(valid()).spec.unwrap();
    refused(of(v1::JobSpec { work: None, ..valid_spec() }), "spec.build", "is missing");
    let exec = v1::ExecSpec { argv: words(["true"]), ..v1::ExecSpec::default() };
    let work = Some(v1::job_spec::Work::Exec(exec));
    refused(of(v1::JobSpec { work, ..valid_spec() }), "spec.exec", "JobService");
    refused(of(v1::JobSpec { attach: true, ..valid_spec() }), "spec.attach", "log");
    let inputs = vec![v1::InputDisk::default()];
    refused(of(v1::JobSpec { inputs, ..valid_spec() }), "spec.inputs", "leave them out");
    let outputs = vec![v1::OutputDisk::default()];
    refused(of(v1::JobSpec { outputs, ..valid_spec() }), "spec.outputs", "leave them out");
    let least = 255 << 20;
    refused(of(v1::JobSpec { memory_bytes: least, ..valid_spec() }), "spec.memory_bytes", "least");
    refused(of(v1::JobSpec { disk_bytes: 1 << 20, ..valid_spec() }), "spec.disk_bytes", "least");
    let project = "No Project".to_owned();
    refused(v1::CreateBuildRequest { project, ..request(valid()) }, "project", "lower-case");
    let idempotency_key = "\n".to_owned();
    let keyed = v1::CreateBuildRequest { idempotency_key, ..request(valid()) };
    refused(keyed, "idempotency_key", "printable");
}

#[test]
fn contexts() {
    wrong(".context_source_id", "is not an id", |build| build.context_source_id = "x".to_owned());
    wrong(".dockerfile_path", "there is none", |build| build.context_source_id.clear());
    let id = SourceId::generate().to_string();
    for (context, field, words) in [
        (from_source("UPPER", &id), "name", "lower case"),
        (from_source("", &id), "name", "not an image"),
        (from_source("a\nb", &id), "name", "not an image"),
        (from_source("../etc", &id), "name", "not an image"),
        (from_source("files", "../../etc"), "source_id", "is not an id"),
        (v1::NamedContext { name: "files".to_owned(), from: None }, "from", "is missing"),
        (from_outside("a", ""), "reference", "is none of"),
        (from_outside("a", "./here"), "reference", "is none of"),
        (from_outside("a", "git@host.test:app"), "reference", "is none of"),
        (from_outside("a", "oci-layout://dir"), "reference", "oci-layout:// is a directory"),
        (from_outside("a", "http://host.test/x"), "reference", "take https://"),
        (from_outside("a", "https:///x"), "reference", "no host"),
        (from_outside("a", "https://host.test/a b"), "reference", "blanks"),
        (from_outside("a", "https://me:pw@host.test/x"), "reference", "credential"),
        (from_outside("a", "docker-image://Debian"), "reference", "lower case"),
        (from_outside("a", "target:-x"), "reference", "is no stage"),
    ] {
        wrong(&format!(".contexts[0].{field}"), words, |build| build.contexts = vec![context]);
    }
    let twice = vec![from_outside("app", "target:a"), from_outside("app:latest", "target:b")];
    wrong(".contexts[1].name", "twice", |build| build.contexts = twice);
    let named = |count| (0..count).map(|index| from_source(&format!("c{index}"), &id)).collect();
    wrong(".contexts", "at most 8", |build| build.contexts = named(8));
    let many = (0..65).map(|index| from_outside(&format!("c{index}"), "target:a")).collect();
    wrong(".contexts", "at most 64", |build| build.contexts = many);
    let error = asked(changed(|build| {
        build.contexts = vec![from_outside("a", "https://me:hunter2@host.test/x")];
    }));
    assert!(!error.unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn dockerfiles() {
    for (text, words) in [
        ("/etc/passwd", "is absolute"),
        ("../Dockerfile", "contains `..`"),
        ("a/../../b", "contains `..`"),
        ("", "names no file"),
        (".", "names no file"),
        ("dir/", "names no file"),
        ("a\0b", "control characters"),
        ("a\nb", "control characters"),
        (&"d".repeat(256), "longer than a path"),
        (&"d/".repeat(3000), "names no file"),
        (&format!("{}f", "d/".repeat(3000)), "longer than a path"),
    ] {
        wrong(".dockerfile_path", words, |build| build.dockerfile = Some(path(text)));
    }
    wrong(".dockerfile_inline", "is empty", |build| build.dockerfile = Some(inline("")));
    let long = vec![b'#'; (2 << 20) + 1];
    wrong(".dockerfile_inline", "at most 2097152", |build| build.dockerfile = Some(inline(long)));
}

#[test]
fn stages() {
    for name in ["-x", "a b", "a/b", "ä", "a\n", &"a".repeat(129)] {
        wrong(".target", "is no stage", |build| build.target = name.to_owned());
        wrong(".no_cache_filter[1]", "is no stage", |build| {
            build.no_cache_filter = words(["base", name]);
        });
    }
    wrong(".no_cache_filter[1]", "twice", |build| build.no_cache_filter = words(["a", "a"]));
    wrong(".no_cache_filter", "without `no_cache`", |build| {
        build.no_cache = true;
        build.no_cache_filter = words(["a"]);
    });
    let many = (0..129).map(|index| format!("s{index}")).collect();
    wrong(".no_cache_filter", "at most 128", |build| build.no_cache_filter = many);
}

#[test]
fn pairs() {
    type Field = fn(&mut v1::BuildSpec) -> &mut Vec<v1::KeyValue>;
    let fields: [(&str, Field); 3] = [
        ("build_args", |build| &mut build.build_args),
        ("labels", |build| &mut build.labels),
        ("annotations", |build| &mut build.annotations),
    ];
    for (name, field) in fields {
        let long = "k".repeat(513);
        for (key, words) in [
            ("", "is empty"),
            ("a=b", "contains `=`"),
            ("a b", "blanks"),
            ("a\n", "blanks or control"),
            ("a\0", "control"),
            (long.as_str(), "above 512"),
        ] {
            wrong(&format!(".{name}[1].key"), words, |build| {
                *field(build) = vec![pair("fine", ""), pair(key, "x")];
            });
        }
        wrong(&format!(".{name}[0].value"), "NUL", |build| *field(build) = vec![pair("a", "\0")]);
        let long = "v".repeat(121 * 1024);
        wrong(&format!(".{name}[0].value"), "above", |build| {
            *field(build) = vec![pair("a", &long)];
        });
        wrong(&format!(".{name}[1].key"), "twice", |build| {
            *field(build) = vec![pair("a", "1"), pair("a", "2")];
        });
        let many = (0..513).map(|index| pair(&format!("k{index}"), "")).collect();
        wrong(&format!(".{name}"), "at most 512", |build| *field(build) = many);
    }
    for (key, words) in [
        ("layer:a", "is none of: manifest"),
        ("manifest:", "no key"),
        ("manifest[linux/amd64:a", "lacks its `]`"),
        ("index,:a", "is none of"),
        ("manifest[windows/amd64]:a", "guests run linux"),
    ] {
        wrong(".annotations[0].key", words, |build| build.annotations = vec![pair(key, "")]);
    }
    wrong(".annotations", "needs an export that is an image", |build| {
        build.annotations = vec![pair("a", "b")];
        build.exports = vec![tree_export("files")];
    });
}

#[test]
fn platforms() {
    for (text, words) in [
        ("", "is no platform"),
        ("linux", "is no platform"),
        ("linux/", "is no platform"),
        ("linux/z80", "is no platform"),
        ("linux/amd64/v9", "is no platform"),
        ("linux/arm/v8/x", "is no platform"),
        ("windows/amd64", "guests run linux"),
        ("linux/amd64,linux/arm64", "an entry of its own"),
        ("linux/\u{1b}[31m", "is no platform"),
    ] {
        wrong(".platforms[0]", words, |build| build.platforms = words_of(text));
    }
    wrong(".platforms[1]", "twice", |build| {
        build.platforms = words(["linux/arm64", "linux/arm64/v8"]);
    });
    wrong(".platforms", "at most 16", |build| build.platforms = vec!["amd64".to_owned(); 17]);
}

fn words_of(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

#[test]
fn what_steps_run_in() {
    wrong(".network", "is none of: host, none", |build| build.network = "bridge".to_owned());
    wrong(".shm_bytes", "spec.memory_bytes", |build| build.shm_bytes = 3 << 30);
    for (text, words) in [
        ("one.test", "is not HOST:IP"),
        (":192.0.2.1", "no name of a host"),
        ("-x:192.0.2.1", "no name of a host"),
        ("a b:192.0.2.1", "no name of a host"),
        ("one.test:", "no address"),
        ("one.test:192.0.2", "no address"),
        ("one.test:[2001:db8::1", "no address"),
        ("one.test:host-gateway", "a guest has no way"),
        ("one\ntest:192.0.2.1", "no name of a host"),
    ] {
        wrong(".add_hosts[0]", words, |build| build.add_hosts = words_of(text));
    }
    let same = words(["a:192.0.2.1", "a=192.0.2.1"]);
    wrong(".add_hosts[1]", "twice", |build| build.add_hosts = same);
    let many = vec!["a:192.0.2.1".to_owned(); 129];
    wrong(".add_hosts", "at most 128", |build| build.add_hosts = many);
    for (text, words) in [
        ("nofile", "is not NAME=SOFT"),
        ("files=1", "limits none of"),
        ("NOFILE=1", "limits none of"),
        ("nofile=", "no numbers"),
        ("nofile=1:", "no numbers"),
        ("nofile=-2", "no numbers"),
        ("nofile=1:2:3", "no numbers"),
        ("nofile=9223372036854775808", "no numbers"),
        ("nofile=2:1", "above the hard one"),
        ("nofile=-1:1", "above the hard one"),
    ] {
        wrong(".ulimits[0]", words, |build| build.ulimits = words_of(text));
    }
    let same = words(["nofile=1", "nofile=2"]);
    wrong(".ulimits[1]", "twice", |build| build.ulimits = same);
    wrong(".ulimits", "at most 15", |build| build.ulimits = vec!["core=1".to_owned(); 16]);
    wrong(".allow[0]", "is none of: network.host", |build| build.allow = words_of("device"));
    let same = words(["network.host", "network.host"]);
    wrong(".allow[1]", "twice", |build| build.allow = same);
}

fn secret(id: &str, value: &[u8], ssh_key: bool) -> v1::SecretValue {
    v1::SecretValue { id: id.to_owned(), value: value.to_vec().into(), ssh_key }
}

fn with(
    secrets: Vec<v1::SecretValue>,
    change: impl FnOnce(&mut v1::BuildSpec),
) -> v1::CreateBuildRequest {
    v1::CreateBuildRequest { secrets, ..changed(change) }
}

#[test]
fn secrets() {
    for id in ["", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "ä", &"a".repeat(65)] {
        wrong(".secrets[0]", "is no id", |build| build.secrets = words_of(id));
        wrong(".ssh[0].id", "is no id", |build| {
            build.ssh = vec![v1::SshSource { id: id.to_owned(), key: false }];
        });
        refused(with(vec![secret(id, b"", false)], |_| {}), "secrets[0].id", "is no id");
    }
    wrong(".secrets[1]", "twice", |build| build.secrets = words(["a", "a"]));
    wrong(".ssh[1].id", "twice", |build| {
        build.ssh = vec![v1::SshSource { id: "a".to_owned(), key: false }; 2];
    });
    let names = |names: &'static [&'static str]| {
        move |build: &mut v1::BuildSpec| {
            build.secrets = names.iter().map(ToString::to_string).collect();
        }
    };
    let value = |id| secret(id, b"v", false);
    refused(changed(names(&["a", "b"])), "secrets", "no value for `a`, `b`");
    refused(with(vec![value("b")], names(&["a", "b"])), "secrets", "no value for `a`,");
    refused(with(vec![value("a"), value("c")], names(&["a"])), "secrets[1].id", "not among");
    refused(with(vec![value("a"), value("a")], names(&["a"])), "secrets[1].id", "stands twice");
    refused(with(vec![secret("a", b"v", true)], names(&["a"])), "secrets[0].id", "spec.build.ssh");
    let large = secret("a", &vec![0; 500 * 1024 + 1], false);
    refused(with(vec![large], names(&["a"])), "secrets[0].value", "at most 512000");
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let much = ids.map(|id| secret(id, &vec![0; 500 * 1024], false)).to_vec();
    let all = names(&["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    refused(with(much, all), "secrets", "at most 4194304");
    let ssh = |key| {
        move |build: &mut v1::BuildSpec| {
            build.ssh = vec![v1::SshSource { id: "a".to_owned(), key }];
        }
    };
    refused(changed(ssh(true)), "secrets", "no value for `a`");
    let key = || vec![secret("a", b"ssh-ed25519 AAAA", true)];
    refused(with(key(), ssh(true)), "secrets[0].value", "no private key");
    refused(with(key(), ssh(false)), "secrets[0].id", "not among");
    wrong(".secrets", "at most 64", |build| {
        build.secrets = (0..65).map(|index| format!("s{index}")).collect();
    });
}

#[test]
fn caches() {
    let from = |text: &str| v1::CacheImport { reference: text.to_owned() };
    for text in ["", "App", "https://registry.test/app", "a b", "app:-", "local/kiln.build/x"] {
        wrong(".cache_from[0].reference", "not an image", |build| {
            build.cache_from = vec![from(text)];
        });
        wrong(".cache_to[0].reference", "not an image", |build| {
            let reference = text.to_owned();
            build.cache_to = vec![v1::CacheExport { reference, ..Default::default() }];
        });
    }
    let same = vec![from("debian"), from("docker.io/library/debian:latest")];
    wrong(".cache_from[1].reference", "twice", |build| build.cache_from = same);
    let to = || v1::CacheExport { reference: "local/cache".to_owned(), ..Default::default() };
    let (mode, compression) = ("all".to_owned(), "lz4".to_owned());
    let cases = [
        (v1::CacheExport { mode, ..to() }, "mode", "is none of: min, max"),
        (v1::CacheExport { compression, ..to() }, "compression", "is none of: gzip"),
        (v1::CacheExport { inline: true, ..to() }, "reference", "without `inline`"),
        (
            v1::CacheExport { inline: true, mode: "max".to_owned(), ..Default::default() },
            "mode",
            "without `inline`",
        ),
        (
            v1::CacheExport { inline: true, ignore_error: true, ..Default::default() },
            "ignore_error",
            "without `inline`",
        ),
    ];
    for (cache, field, words) in cases {
        wrong(&format!(".cache_to[0].{field}"), words, |build| build.cache_to = vec![cache]);
    }
    wrong(".cache_to[1].reference", "twice", |build| build.cache_to = vec![to(), to()]);
    let inline = || v1::CacheExport { inline: true, ..Default::default() };
    wrong(".cache_to[1].inline", "twice", |build| build.cache_to = vec![inline(), inline()]);
    wrong(".cache_to[1].inline", "needs an export that is an image", |build| {
        build.cache_to = vec![to(), inline()];
        build.exports.clear();
    });
    let digest = format!("local/cache@sha256:{}", "0".repeat(64));
    wrong(".cache_to[0].reference", "has a digest", |build| {
        build.cache_to = vec![v1::CacheExport { reference: digest, ..Default::default() }];
    });
    wrong(".cache_from", "at most 16", |build| build.cache_from = vec![from("a"); 17]);
    wrong(".cache_to", "at most 16", |build| build.cache_to = vec![to(); 17]);
}

#[test]
fn exports() {
    for name in ["", "A", "a_b", "a/b", "..", "a\n", &"a".repeat(33)] {
        wrong(".exports[0].name", "lower-case", |build| build.exports = vec![tree_export(name)]);
    }
    wrong(".exports[1].name", "twice", |build| {
        build.exports = vec![tree_export("a"), tree_export("a")];
    });
    wrong(".exports[0].kind", "is missing", |build| build.exports[0].kind = None);
    wrong(".exports", "at most 8", |build| build.exports = vec![tree_export("a"); 9]);
    wrong(".max_export_bytes", "is above", |build| build.max_export_bytes = u64::MAX);
}

#[test]
fn images() {
    let outside = || words(["registry.test/app"]);
    let cases: [(v1::ImageExport, &str, &str); 17] = [
        (named(["App"]), "names[0]", "lower case"),
        (named(["local/"]), "names[0]", "not an image"),
        (named(["app", "a b"]), "names[1]", "not an image"),
        (named(["app", "docker.io/library/app:latest"]), "names[1]", "twice"),
        (named([&format!("app@sha256:{}", "0".repeat(64))]), "names[0]", "has a digest"),
        (named(["a\nb"]), "names[0]", "not an image"),
        (named(["local/kiln.build/x:1"]), "names[0]", "is this host's own"),
        (v1::ImageExport { push: true, ..named(["local/app"]) }, "push", "registry outside"),
        (v1::ImageExport { push: true, ..named([]) }, "push", "registry outside"),
        (
            v1::ImageExport { push_by_digest: true, names: outside(), ..named([]) },
            "push_by_digest",
            "needs `push`",
        ),
        (compressed("lz4", 0), "compression", "is none of: gzip"),
        (compressed("gzip", 10), "compression_level", "above 9"),
        (compressed("", 10), "compression_level", "above 9"),
        (compressed("zstd", 23), "compression_level", "above 22"),
        (compressed("uncompressed", 1), "compression_level", "has none"),
        (
            v1::ImageExport { docker_media_types: true, ..compressed("zstd", 0) },
            "docker_media_types",
            "do not go with zstd",
        ),
        (
            v1::ImageExport { rewrite_timestamp: true, ..named([]) },
            "rewrite_timestamp",
            "SOURCE_DATE_EPOCH",
        ),
    ];
    for (image, field, words) in cases {
        wrong(&format!(".exports[0].image.{field}"), words, |build| {
            build.exports = vec![image_export("image", image)];
        });
    }
    wrong(".exports[0].image.docker_media_types", "annotations", |build| {
        build.annotations = vec![pair("a", "b")];
        let image = v1::ImageExport { docker_media_types: true, ..named([]) };
        build.exports = vec![image_export("image", image)];
    });
    let many = (0..65).map(|index| format!("app:{index}")).collect();
    wrong(".exports[0].image.names", "at most 64", |build| {
        build.exports = vec![image_export("image", v1::ImageExport { names: many, ..named([]) })];
    });
}

fn named<const N: usize>(names: [&str; N]) -> v1::ImageExport {
    v1::ImageExport { names: words(names), ..v1::ImageExport::default() }
}

fn compressed(compression: &str, compression_level: u32) -> v1::ImageExport {
    v1::ImageExport { compression: compression.to_owned(), compression_level, ..named([]) }
}

#[test]
fn attestations() {
    for (text, words) in [
        ("yes", "is none of: true"),
        ("mode=most", "is no value of mode"),
        ("mode=min,mode=max", "twice"),
        ("inline-only=1", "is no value of inline-only"),
        ("builder-id=", "is no value of builder-id"),
        ("builder-id=a b", "is no value of builder-id"),
        ("disabled=true", "is none of: mode"),
        ("mode=max,", "is none of"),
    ] {
        wrong(".provenance", words, |build| build.provenance = text.to_owned());
    }
    wrong(".sbom", "not an image", |build| build.sbom = "a b".to_owned());
    wrong(".sbom", "lower case", |build| build.sbom = "generator=Scanner".to_owned());
}

#[test]
fn all_words_together_are_bounded() {
    let value = "v".repeat(100 * 1024);
    wrong("", "come to", |build| build.build_args = vec![pair("a", &value), pair("b", &value)]);
}

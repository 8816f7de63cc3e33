//! A valid build made wrong in one field: the answer names that field.

use super::*;
use crate::api::incoming::tests::fuzz::Dice;

const CASES: u64 = 4000;

fn valid_image(dice: &mut Dice) -> v1::ImageExport {
    let push = dice.below(2) == 0;
    let (compression, compression_level) =
        dice.of(&[("", 0), ("gzip", 9), ("zstd", 22), ("estargz", 1), ("uncompressed", 0)]);
    let names = if push {
        words(["registry.test:5443/team/app:v1", "local/app"])
    } else {
        vec!["local/app:1".to_owned(); dice.below(2)]
    };
    v1::ImageExport {
        names,
        push,
        push_by_digest: push && dice.below(2) == 0,
        compression: compression.to_owned(),
        compression_level,
        force_compression: dice.below(2) == 0,
        rewrite_timestamp: dice.below(2) == 0,
        docker_media_types: compression == "gzip" && dice.below(2) == 0,
    }
}

fn valid_build(dice: &mut Dice) -> v1::BuildSpec {
    let id = || SourceId::generate().to_string();
    let contexts = [
        from_source("files", &id()),
        from_outside("alpine:3", "docker-image://local/alpine"),
        from_outside("repo", "https://git.test/app.git#main"),
        from_outside("stage", "target:base"),
    ];
    let build_args = vec![pair("SOURCE_DATE_EPOCH", "0"), pair("A", "b c\n")];
    v1::BuildSpec {
        context_source_id: id(),
        dockerfile: dice
            .of(&[None, Some(path("a/Dockerfile")), Some(inline("FROM scratch"))].each_ref())
            .clone(),
        target: dice.of(&["", "base", "2"]).to_owned(),
        build_args,
        labels: vec![pair("org.test/label", "x"); dice.below(2)],
        contexts: contexts[..dice.below(5)].to_vec(),
        platforms: dice
            .of(&[&["linux/amd64", "arm64"][..], &[]])
            .iter()
            .map(ToString::to_string)
            .collect(),
        no_cache: dice.below(2) == 0,
        pull: dice.below(2) == 0,
        add_hosts: words(["one.test:192.0.2.1"]),
        network: dice.of(&["", "host", "none"]).to_owned(),
        shm_bytes: dice.of(&[0, 1 << 20]),
        ulimits: words(["nofile=1:2"]),
        allow: vec!["network.host".to_owned(); dice.below(2)],
        secrets: words(["token"]),
        ssh: vec![v1::SshSource { id: "default".to_owned(), key: false }; dice.below(2)],
        cache_from: vec![v1::CacheImport { reference: "local/cache".to_owned() }],
        cache_to: vec![v1::CacheExport { inline: true, ..Default::default() }; dice.below(2)],
        exports: vec![image_export("image", valid_image(dice)), tree_export("files")],
        provenance: dice.of(&["", "true", "mode=max"]).to_owned(),
        sbom: dice.of(&["", "true", "scanner.test/syft:1"]).to_owned(),
        max_export_bytes: dice.of(&[0, 1 << 20]),
        ..v1::BuildSpec::default()
    }
}

fn valid_request(dice: &mut Dice) -> v1::CreateBuildRequest {
    let build = valid_build(dice);
    let value = vec![dice.of(&[0, 7, 255]); dice.below(100)].into();
    let secrets = vec![v1::SecretValue { id: "token".to_owned(), value, ssh_key: false }];
    v1::CreateBuildRequest { secrets, ..request(build) }
}

fn build_of(request: &mut v1::CreateBuildRequest) -> &mut v1::BuildSpec {
    match request.spec.as_mut().and_then(|spec| spec.work.as_mut()) {
        Some(v1::job_spec::Work::Build(build)) => build,
        other => unreachable!("{other:?}"),
    }
}

/// No name of a stage, a host, an image, a key or a secret.
fn bad_name(dice: &mut Dice) -> String {
    let wrong = dice.of(&["\0", "\n", " ", "\u{1b}[2J", "\u{85}", "\u{2028}\t"]);
    dice.text_with("a", wrong)
}

type Break = fn(&mut Dice, &mut v1::BuildSpec) -> &'static str;

/// Each makes one field wrong, and says which.
const BREAKS: [Break; 32] = [
    |dice, build| {
        build.context_source_id = dice.text_with("", "/../");
        ".context_source_id"
    },
    |dice, build| {
        let name = bad_name(dice);
        build.dockerfile = Some(path(&format!("{}{name}\n", dice.of(&["", "../", "/"]))));
        ".dockerfile_path"
    },
    |dice, build| {
        build.dockerfile = Some(inline(vec![b'#'; (2 << 20) + 1 + dice.below(1000)]));
        ".dockerfile_inline"
    },
    |dice, build| {
        build.target = bad_name(dice);
        ".target"
    },
    |dice, build| {
        build.build_args.push(pair(&bad_name(dice), ""));
        ".build_args[2].key"
    },
    |dice, build| {
        build.build_args[1].value = dice.text_with("v", "\0");
        ".build_args[1].value"
    },
    |dice, build| {
        build.labels = vec![pair(&dice.text_with("k", "="), "")];
        ".labels[0].key"
    },
    |dice, build| {
        build.annotations = vec![pair(&format!("{}:a", dice.text_with("manifest", "-")), "")];
        ".annotations[0].key"
    },
    |dice, build| {
        build.contexts = vec![from_outside(&bad_name(dice), "target:a")];
        ".contexts[0].name"
    },
    |dice, build| {
        build.contexts = vec![from_source("files", &dice.bad_id())];
        ".contexts[0].source_id"
    },
    |dice, build| {
        let scheme = dice.of(&["oci-layout://", "http://", "https://", "ssh://", "target:", ""]);
        build.contexts = vec![from_outside("files", &format!("{scheme}{}", bad_name(dice)))];
        ".contexts[0].reference"
    },
    |dice, build| {
        build.contexts = vec![from_outside("a", "target:a"); 65 + dice.below(50)];
        ".contexts"
    },
    |dice, build| {
        build.platforms.truncate(1);
        build.platforms.insert(0, dice.text_with("linux/", "!"));
        ".platforms[0]"
    },
    |dice, build| {
        build.no_cache_filter = vec![bad_name(dice)];
        ".no_cache_filter[0]"
    },
    |dice, build| {
        build.add_hosts.push(dice.text_with("host:", "."));
        ".add_hosts[1]"
    },
    |dice, build| {
        build.network = dice.text_with("host", "x");
        ".network"
    },
    |dice, build| {
        build.shm_bytes = (2 << 30) + 1 + (dice.roll() >> 1);
        ".shm_bytes"
    },
    |dice, build| {
        build.ulimits.push(dice.text_with("stack=", ":x"));
        ".ulimits[1]"
    },
    |dice, build| {
        build.allow = vec![dice.text_with("network", ".")];
        ".allow[0]"
    },
    |dice, build| {
        build.secrets.push(bad_name(dice));
        ".secrets[1]"
    },
    |dice, build| {
        build.ssh = vec![v1::SshSource { id: dice.text_with("a", "/"), key: false }];
        ".ssh[0].id"
    },
    |dice, build| {
        build.cache_from.push(v1::CacheImport { reference: bad_name(dice) });
        ".cache_from[1].reference"
    },
    |dice, build| {
        let reference = dice.text_with("local/a", "@");
        build.cache_to = vec![v1::CacheExport { reference, ..Default::default() }];
        ".cache_to[0].reference"
    },
    |dice, build| {
        let reference = "local/a".to_owned();
        let mode = dice.text_with("m", "X");
        build.cache_to = vec![v1::CacheExport { reference, mode, ..Default::default() }];
        ".cache_to[0].mode"
    },
    |dice, build| {
        build.exports[1].name = dice.text_with("a", "A");
        ".exports[1].name"
    },
    |dice, build| {
        let at = dice.below(2);
        build.exports[at].kind = None;
        [".exports[0].kind", ".exports[1].kind"][at]
    },
    |dice, build| {
        image_of(build).names = vec![dice.text_with("local/a", "//")];
        ".exports[0].image.names[0]"
    },
    |dice, build| {
        image_of(build).compression = dice.text_with("gz", "!");
        ".exports[0].image.compression"
    },
    |dice, build| {
        image_of(build).compression_level = 23 + u32::try_from(dice.below(1 << 30)).unwrap();
        ".exports[0].image.compression_level"
    },
    |dice, build| {
        build.provenance = dice.text_with("mode=", "x");
        ".provenance"
    },
    |dice, build| {
        build.sbom = format!("{}://{}", dice.of(&["https", "docker"]), bad_name(dice));
        ".sbom"
    },
    |dice, build| {
        build.max_export_bytes = (16 << 40) + 1 + (dice.roll() >> 8);
        ".max_export_bytes"
    },
];

fn image_of(build: &mut v1::BuildSpec) -> &mut v1::ImageExport {
    match build.exports[0].kind.as_mut() {
        Some(build_export::Kind::Image(image)) => image,
        other => unreachable!("{other:?}"),
    }
}

/// Makes one field wrong; its name.
fn break_request(dice: &mut Dice, request: &mut v1::CreateBuildRequest) -> String {
    let place = dice.below(BREAKS.len() + 8);
    if let Some(break_build) = BREAKS.get(place) {
        return format!("spec.build{}", break_build(dice, build_of(request)));
    }
    let field = match place - BREAKS.len() {
        0 => {
            request.project = dice.bad_project();
            "project"
        }
        1 => {
            request.idempotency_key = dice.text_with("k", "\u{7}");
            "idempotency_key"
        }
        2 => {
            request.secrets[0].id = dice.bad_id();
            "secrets[0].id"
        }
        3 => {
            request.secrets[0].value = vec![1; (500 << 10) + 1 + dice.below(1000)].into();
            "secrets[0].value"
        }
        4 => {
            request.secrets.clear();
            "secrets"
        }
        5 => {
            spec_of(request).memory_bytes = dice.of(&[1, (256 << 20) - 1, (1 << 50) + 1]);
            "spec.memory_bytes"
        }
        6 => {
            spec_of(request).attach = true;
            "spec.attach"
        }
        _ => {
            spec_of(request).outputs = vec![v1::OutputDisk::default(); 1 + dice.below(9)];
            "spec.outputs"
        }
    };
    field.to_owned()
}

fn spec_of(request: &mut v1::CreateBuildRequest) -> &mut v1::JobSpec {
    request.spec.as_mut().unwrap()
}

#[test]
fn a_build_that_is_wrong_in_one_field_is_refused_by_its_name() {
    for seed in 0..CASES {
        let mut dice = Dice::new(seed);
        let mut request = valid_request(&mut dice);
        let valid = asked(request.clone());
        assert!(valid.is_ok(), "seed {seed}: {:?}", valid.unwrap_err());
        let field = break_request(&mut dice, &mut request);
        let error = asked(request).expect_err(&format!("seed {seed}: {field} was not refused"));
        assert_eq!(error.field, field, "seed {seed}: {error}");
        let words = error.to_string();
        assert!(words.len() < 400, "seed {seed}: a long value is not repeated: {words}");
        assert!(!words.chars().any(char::is_control), "seed {seed}: {words:?}");
    }
}

/// For those who ask over a socket.
pub(in crate::api) fn malformed(seed: u64) -> (String, v1::CreateBuildRequest) {
    let mut dice = Dice::new(seed);
    let mut request = valid_request(&mut dice);
    let field = break_request(&mut dice, &mut request);
    (field, request)
}

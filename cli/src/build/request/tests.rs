use clap::Parser;

use super::*;
use crate::args::{Cli, Command};

fn request(arguments: &[&str]) -> Result<v1::CreateBuildRequest, RequestError> {
    let arguments = ["kiln", "build"].iter().chain(arguments).chain(&["."]);
    let Command::Build(arguments) = Cli::try_parse_from(arguments).unwrap().command else {
        panic!("not a build");
    };
    let own = |name: &str| match name {
        "HERE" => Some("value".into()),
        "BROKEN" => Some(std::os::unix::ffi::OsStringExt::from_vec(vec![0xff])),
        _ => None,
    };
    let egress = Egress::of(arguments.egress.as_ref(), None, false).unwrap();
    let secrets = Secrets::read(&arguments.secret, &arguments.ssh, own).unwrap();
    from_arguments(&arguments, &egress, Vec::new(), &secrets, own)
}

fn build(arguments: &[&str]) -> v1::BuildSpec {
    match request(arguments).unwrap().spec.unwrap().work {
        Some(v1::job_spec::Work::Build(build)) => build,
        other => panic!("no build: {other:?}"),
    }
}

fn pairs(pairs: &[v1::KeyValue]) -> Vec<(&str, &str)> {
    pairs.iter().map(|pair| (pair.key.as_str(), pair.value.as_str())).collect()
}

#[test]
fn nothing_asked_is_nothing_said() {
    assert_eq!(build(&[]), v1::BuildSpec::default());
    let request = request(&[]).unwrap();
    assert!(request.idempotency_key.starts_with("kiln-"), "{request:?}");
    assert!(request.secrets.is_empty());
    let spec = request.spec.unwrap();
    assert_eq!((spec.cpus, spec.memory_bytes, spec.disk_bytes, spec.timeout), (0, 0, 0, None));
    assert!(!spec.attach);
}

#[test]
fn the_last_one_of_a_name_wins_and_the_environment_fills_in() {
    let arguments = ["--build-arg", "A=1", "--build-arg", "A=2", "--build-arg", "HERE"];
    assert_eq!(pairs(&build(&arguments).build_args), [("A", "2"), ("HERE", "value")]);
    assert_eq!(pairs(&build(&["--build-arg", "GONE"]).build_args), []);
    assert_eq!(pairs(&build(&["--build-arg", "A="]).build_args), [("A", "")]);
    let broken = request(&["--build-arg", "BROKEN"]).unwrap_err().to_string();
    assert!(broken.contains("is not UTF-8"), "{broken}");
    assert_eq!(pairs(&build(&["--label", "a=1", "--label", "a=2"]).labels), [("a", "2")]);
}

#[test]
fn each_flag_has_its_field() {
    let found = build(&[
        "--target",
        "t",
        "--platform",
        "linux/amd64,linux/arm64",
        "--platform",
        "linux/amd64",
        "--no-cache-filter",
        "a,b",
        "--pull",
        "--add-host",
        "h.test:192.0.2.1",
        "--network",
        "none",
        "--shm-size",
        "1g",
        "--ulimit",
        "nofile=1",
        "--allow",
        "security.insecure",
        "--annotation",
        "index:a=b",
        "--secret",
        "id=s,env=HERE",
        "--cache-from",
        "local/c",
        "--cache-to",
        "type=inline",
        "--cache-to",
        "type=registry,ref=local/c,mode=max,ignore-error=true",
        "--provenance",
        "mode=max",
        "--sbom",
        "generator=s/s",
        "--build-context",
        "n=docker-image://a",
        "--build-context",
        "d=.",
    ]);
    assert_eq!(found.target, "t");
    assert_eq!(found.platforms, ["linux/amd64", "linux/arm64"]);
    assert!(found.pull && !found.no_cache);
    assert_eq!(found.no_cache_filter, ["a", "b"]);
    assert_eq!(found.add_hosts, ["h.test:192.0.2.1"]);
    assert_eq!((found.network.as_str(), found.shm_bytes), ("none", 1 << 30));
    assert_eq!(found.ulimits, ["nofile=1"]);
    assert_eq!(found.allow, ["security.insecure"]);
    assert_eq!(pairs(&found.annotations), [("index:a", "b")]);
    assert_eq!(found.secrets, ["s"]);
    assert_eq!(found.cache_from[0].reference, "local/c");
    assert!(found.cache_to[0].inline);
    assert_eq!((found.cache_to[1].mode.as_str(), found.cache_to[1].ignore_error), ("max", true));
    assert_eq!((found.provenance.as_str(), found.sbom.as_str()), ("mode=max", "s/s"));
    let reference = v1::named_context::From::Reference("docker-image://a".to_owned());
    assert_eq!(found.contexts[0].from, Some(reference));
    assert_eq!(found.contexts[1].from, None);
}

#[test]
fn what_is_said_twice_is_said_once() {
    let found = build(&[
        "--ulimit",
        "nofile=1",
        "--ulimit",
        "nofile=2",
        "--allow",
        "network.host,network.host",
        "--no-cache",
        "--no-cache-filter",
        "a",
    ]);
    assert_eq!(found.ulimits, ["nofile=2"]);
    assert_eq!(found.allow, ["network.host"]);
    assert!(found.no_cache && found.no_cache_filter.is_empty());
}

#[test]
fn limits_are_the_jobs() {
    let arguments = ["--cpus", "4", "-m", "2g", "--disk", "20g", "--timeout", "90s"];
    let spec = request(&arguments).unwrap().spec.unwrap();
    assert_eq!((spec.cpus, spec.memory_bytes, spec.disk_bytes), (4, 2 << 30, 20 << 30));
    assert_eq!(spec.timeout.unwrap().seconds, 90);
}

#[test]
fn shorthands_win_over_attest() {
    let found = build(&["--attest", "type=provenance,mode=max", "--provenance=false"]);
    assert_eq!(found.provenance, "");
    assert_eq!(build(&["--attest", "type=sbom,generator=x"]).sbom, "x");
}

use clap::Parser;

use super::*;
use crate::args::{Cli, Command};

fn build(arguments: &[&str]) -> Result<BuildArguments, clap::Error> {
    let arguments = ["kiln", "build"].iter().chain(arguments);
    match Cli::try_parse_from(arguments)?.command {
        Command::Build(arguments) => Ok(*arguments),
        other => panic!("not a build: {other:?}"),
    }
}

#[test]
fn flags_stand_as_buildx_users_write_them() {
    let arguments = build(&[
        "-t",
        "local/a",
        "--tag=local/b",
        "-f",
        "-",
        "--build-arg",
        "A=b",
        "--build-arg=C",
        "--push=false",
        "--load",
        "--platform",
        "linux/amd64,arm64",
        "--no-cache-filter",
        "a,b",
        "--allow",
        "network.host",
        "-o",
        "-",
        "--output",
        "type=oci,dest=a.tar",
        "--pull",
        ".",
    ])
    .unwrap();
    assert_eq!(arguments.tag, ["local/a", "local/b"]);
    assert_eq!(arguments.file, Some("-".into()));
    assert_eq!(arguments.build_arg.len(), 2);
    assert!(arguments.load && arguments.pull && !arguments.push && !arguments.no_cache);
    assert_eq!(arguments.no_cache_filter, ["a", "b"]);
    assert_eq!(arguments.output.len(), 2);
    assert_eq!(arguments.source, BuildSource::Directory(".".into()));
}

#[test]
fn the_last_one_of_a_single_flag_wins() {
    let arguments = build(&["--target", "a", "-f", "x", "--target=b", "-f", "y", "-"]).unwrap();
    assert_eq!(arguments.target.as_deref(), Some("b"));
    assert_eq!(arguments.file, Some("y".into()));
    assert_eq!(arguments.source, BuildSource::Stdin);
}

#[test]
fn what_kiln_has_not_is_refused_by_name() {
    for flag in ["builder", "call", "cgroup-parent", "isolation", "memory-swap", "squash", "rm"] {
        for text in [format!("--{flag}"), format!("--{flag}=x")] {
            let told = build(&[".", &text]).unwrap_err().to_string();
            assert!(told.contains(&format!("--{flag} is refused: ")), "{told}");
        }
    }
    let told = build(&[".", "--check"]).unwrap_err().to_string();
    assert!(told.contains("--check is refused"), "{told}");
    let told = build(&["-D", "."]).unwrap_err().to_string();
    assert!(told.contains("--debug is refused"), "{told}");
}

#[test]
fn bad_values_name_their_flag_and_what_is_allowed() {
    let check = |arguments: &[&str], flag: &str, words: &str| {
        let told = build(arguments).unwrap_err().to_string();
        assert!(told.contains(flag) && told.contains(words), "{arguments:?}: {told}");
    };
    check(&["-o", "type=floppy", "."], "--output", "write type=local|tar");
    check(&["--progress", "loud", "."], "--progress", "rawjson");
    check(&["--secret", "src=x", "."], "--secret", "needs an id");
    check(&["--platform", "x", "."], "--platform", "OS/ARCH");
    check(&["--network", "bridge", "."], "--network", "write default, host");
    check(&["--allow", "all", "."], "--allow", "network.host");
    check(&["--shm-size", "big", "."], "--shm-size", "write a size");
    check(&["--push=maybe", "."], "--push", "true, false");
    check(&["https://h.test/a.git"], "PATH", "git repositories come later");
    check(&["https://h.test/a.tar"], "PATH", "URL come later");
    check(&[], "PATH", "required");
    check(&[".", ".."], "..", "unexpected argument");
}

//! Images as skopeo writes them, in every form that it knows: all of them are the same tree.

use std::process::Command;

use kiln_rootfs::{Compression, Limits};

use crate::{converted::image, layout::Layout, whiteouts::tar};

#[expect(clippy::print_stdout, reason = "what was not compared is part of the verdict")]
fn say(message: &str) {
    println!("{message}");
}

#[test]
fn what_skopeo_writes_is_read() {
    if Command::new("skopeo").arg("--version").output().is_err() {
        say("skipped: there is no skopeo (Debian package `skopeo`)");
        return;
    }
    let base = tempfile::tempdir().unwrap();
    let at = |name: &str| base.path().join(name);
    let layers = [tar(&["a/", "a/b: text", "a/c = a/b"]), tar(&["d -> a", "d/e", "a/.wh.b"])];
    Layout::of(&layers, Compression::Gzip).write(&at("made"));
    let expected = image(&at("made"), &Limits::default()).unwrap().reading();
    let made = format!("oci:{}:latest", at("made").display());
    for (kind, name, options) in [
        ("oci", "oci-gzip", &["--dest-compress-format=gzip"][..]),
        ("oci", "oci-zstd", &["--dest-compress-format=zstd", "--dest-force-compress-format"]),
        ("oci", "oci-plain", &["--dest-decompress"]),
        ("oci-archive", "oci.tar", &[]),
        ("docker-archive", "docker.tar", &[]),
    ] {
        let tag = if kind == "docker-archive" { "kiln:latest" } else { "latest" };
        let written = format!("{kind}:{}:{tag}", at(name).display());
        let run = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--quiet"])
            .args(options)
            .args([&made, &written])
            .output()
            .unwrap();
        if !run.status.success() && options.len() > 1 {
            say(&format!("skipped: skopeo has no {options:?}"));
            continue;
        }
        assert!(run.status.success(), "{name}: {run:?}");
        let converted = image(&at(name), &Limits::default()).unwrap();
        assert_eq!(converted.reading(), expected, "{name}");
    }
}

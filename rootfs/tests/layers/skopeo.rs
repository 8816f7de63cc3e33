//! Images as skopeo writes them, in every form that it knows: all of them are the same tree.

use std::process::Command;

use kiln_rootfs::{Compression, Limits};

use crate::{converted::image, layout::Layout, program::of_debian, whiteouts::tar};

pub(crate) const TESTS: &[(&str, fn())] =
    &[("skopeo::what_skopeo_writes_is_read", what_skopeo_writes_is_read)];

fn what_skopeo_writes_is_read() {
    let base = tempfile::tempdir().unwrap();
    let at = |name: &str| base.path().join(name);
    let layers = [tar(&["a/", "a/b: text", "a/c = a/b"]), tar(&["d -> a", "d/e", "a/.wh.b"])];
    Layout::of(&layers, Compression::Gzip).write(&at("made"));
    let expected = image(&at("made"), &Limits::default()).unwrap().reading();
    let made = format!("oci:{}:latest", at("made").display());
    for (kind, name, options) in [
        ("oci", "oci-gzip", &["--dest-compress-format=gzip"][..]),
        ("oci", "oci-zstd", &["--dest-compress-format=zstd"]),
        ("oci", "oci-plain", &["--dest-decompress"]),
        ("oci-archive", "oci.tar", &[]),
        ("docker-archive", "docker.tar", &[]),
    ] {
        let tag = if kind == "docker-archive" { "kiln:latest" } else { "latest" };
        let written = format!("{kind}:{}:{tag}", at(name).display());
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--quiet"]).args(options);
        let run = of_debian("skopeo", skopeo.args([&made, &written]));
        assert!(run.status.success(), "{name}: {run:?}");
        let converted = image(&at(name), &Limits::default()).unwrap();
        assert_eq!(converted.reading(), expected, "{name}");
    }
}

//! Names that lead out: 60 and more cases. There is no disk here that they could lead to, so what has to
//! hold is that they are refused, or stand below the tree's root.

use kiln_archive::ReadError;
use kiln_forge::Forge;
use kiln_rootfs::{LayerError, LayersError};

use crate::converted::{Refused, layers};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("traversal::names_never_climb", names_never_climb),
    (
        "traversal::absolute_names_count_from_the_trees_root",
        absolute_names_count_from_the_trees_root,
    ),
    (
        "traversal::zero_bytes_and_endless_names_are_refused",
        zero_bytes_and_endless_names_are_refused,
    ),
];

/// None of them may name a member, nor what one links to.
const CLIMBING: [&str; 13] = [
    "..",
    "../",
    "../outside/file",
    "./../outside/file",
    "a/..",
    "a/../../outside/file",
    "a/b/../../../outside/file",
    "/../etc/passwd",
    "//..//etc/passwd",
    "a/./../..//outside/file",
    "a//../../outside/new",
    "../../../../../../../../tmp/out",
    "/a/../../b",
];

fn refused(archive: Vec<u8>, what: &str) {
    match layers(&[archive]) {
        Err(Refused::Layers(LayersError::Layer {
            source: LayerError::Archive(ReadError::Path { .. } | ReadError::Target { .. }),
            ..
        })) => {}
        other => panic!("{what}: {other:?}"),
    }
}

fn names_never_climb() {
    let mut cases = 0;
    for name in CLIMBING {
        let plain = |forge: Forge| forge.member(b'0', "plain", "", 0o644, b"gotcha").end();
        refused(Forge::default().member(b'0', name, "", 0o644, b"gotcha").end(), name);
        refused(plain(Forge::default().pax(&[("path", name)])), name);
        refused(plain(Forge::default().long_name(name)), name);
        refused(Forge::default().member(b'1', "plain", name, 0o644, b"").end(), name);
        let linked = Forge::default().pax(&[("linkpath", name)]);
        refused(linked.member(b'1', "plain", "x", 0o644, b"").end(), name);
        cases += 5;
    }
    assert!(cases >= 60);
}

fn absolute_names_count_from_the_trees_root() {
    for name in ["/etc/passwd", "//etc/passwd", "/./etc//passwd"] {
        let archive = Forge::default()
            .member(b'0', name, "", 0o644, b"text")
            .member(b'1', "/linked", name, 0o644, b"")
            .end();
        assert_eq!(layers(&[archive]).unwrap().paths(), ["etc/", "etc/passwd", "linked"]);
    }
}

fn zero_bytes_and_endless_names_are_refused() {
    let long = "x".repeat(256);
    let endless = "ab/".repeat(1366);
    for archive in [
        Forge::default().pax(&[("path", "a\0b")]).member(b'0', "a", "", 0o644, b"").end(),
        Forge::default().pax(&[("linkpath", "a\0b")]).member(b'2', "a", "", 0o644, b"").end(),
        Forge::default().long_name("a\0b").member(b'0', "a", "", 0o644, b"").end(),
        Forge::default().pax(&[("path", &long)]).member(b'0', "a", "", 0o644, b"").end(),
        Forge::default().long_name(&endless).member(b'0', "a", "", 0o644, b"").end(),
        Forge::default().long_name("").member(b'0', "a", "", 0o644, b"").end(),
        Forge::default().member(b'0', "", "", 0o644, b"").end(),
        Forge::default().member(b'0', "/", "", 0o644, b"").end(),
        Forge::default().member(b'2', ".", "a", 0o644, b"").end(),
    ] {
        let refused = layers(&[archive]).unwrap_err();
        assert!(
            matches!(
                refused,
                Refused::Layers(LayersError::Layer { source: LayerError::Archive(_), .. })
            ),
            "{refused}"
        );
    }
}

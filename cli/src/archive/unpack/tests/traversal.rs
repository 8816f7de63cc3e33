//! Names that lead out: 60 and more cases.

use super::*;

/// None of them may name a member.
const NAMES: [&str; 18] = [
    "/etc/kiln-was-here",
    "//etc/kiln-was-here",
    "/",
    "..",
    "../",
    "../outside/file",
    "./../outside/file",
    "a/..",
    "a/../../outside/file",
    "a/b/../../../outside/file",
    "././../outside/file",
    "a/./../..//outside/file",
    ".../../../outside/file",
    "a//../../outside/new",
    "../dest/../outside/new",
    "../../../../../../../../tmp/kiln-was-here",
    "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q",
    "/proc/self/cwd/kiln-was-here",
];

fn refused(archive: &[u8], what: &str) {
    let place = Place::new();
    let error = place.unpack(archive).expect_err(what);
    assert!(
        matches!(error, UnpackError::Read(ReadError::Path { .. } | ReadError::Target { .. })),
        "{what}: {error:?}"
    );
    place.nothing_outside();
    assert!(!Path::new("/etc/kiln-was-here").exists(), "{what}");
}

#[test]
fn names_never_lead_out() {
    let mut cases = 0;
    for name in NAMES {
        let file = |forge: Forge| forge.member(b'0', "plain", "", 0o644, b"gotcha").end();
        refused(&Forge::default().member(b'0', name, "", 0o644, b"gotcha").end(), name);
        refused(&file(Forge::default().pax(&[("path", name)])), name);
        refused(&file(Forge::default().long_name(name)), name);
        let linked = Forge::default().member(b'1', "plain", name, 0o644, b"").end();
        refused(&linked, name);
        let linked = Forge::default()
            .pax(&[("linkpath", name)])
            .member(b'1', "plain", "x", 0o644, b"")
            .end();
        refused(&linked, name);
        refused(&Forge::default().member(b'5', name, "", 0o755, b"").end(), name);
        cases += 6;
    }
    assert!(cases >= 60);
}

#[test]
fn zero_bytes_and_endless_names_are_refused() {
    let long = "x".repeat(256);
    let endless = "ab/".repeat(1366);
    for archive in [
        Forge::default().pax(&[("path", "a\0b")]).member(b'0', "a", "", 0o644, b"").end(),
        Forge::default().pax(&[("linkpath", "a\0b")]).member(b'2', "a", "", 0o644, b"").end(),
        Forge::default().long_name("a\0b").member(b'0', "a", "", 0o644, b"").end(),
        Forge::default().long_link("a\0b").member(b'2', "a", "", 0o644, b"").end(),
        Forge::default().pax(&[("path", &long)]).member(b'0', "a", "", 0o644, b"").end(),
        Forge::default().long_name(&long).member(b'0', "a", "", 0o644, b"").end(),
        Forge::default().long_name(&endless).member(b'0', "a", "", 0o644, b"").end(),
        Forge::default().long_name("").member(b'0', "a", "", 0o644, b"").end(),
        Forge::default().member(b'0', "", "", 0o644, b"").end(),
    ] {
        let place = Place::new();
        assert!(matches!(place.unpack(&archive), Err(UnpackError::Read(_))));
        assert_eq!(fs::read_dir(place.dest()).unwrap().count(), 0);
        place.nothing_outside();
    }
}

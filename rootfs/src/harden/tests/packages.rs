use base64::Engine as _;
use md5::Digest as _;

use super::*;

const NETRC: &str = "machine h login l password p";

fn md5(bytes: &str) -> String {
    use std::fmt::Write as _;
    md5::Md5::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What becomes of a file that a package's list speaks of.
#[track_caller]
fn check(path: &str, list: &str, text: &str, is_spared: bool) {
    let mut sample = Sample::new();
    sample.put_file(path, NETRC);
    sample.put_file(list, text);
    let report = hardened(&mut sample);
    let because = report.spared.first().map(|one| one.because);
    assert_eq!(because, is_spared.then_some(SparedBecause::Packaged), "{text}");
    assert_eq!(report.removed.is_empty(), is_spared);
}

#[test]
fn what_dpkg_laid_down_stays() {
    let path = "usr/share/doc/a/.netrc";
    let sum = md5(NETRC);
    let other = md5("other");
    for list in ["var/lib/dpkg/info/a.md5sums", "var/lib/dpkg/status.d/a.md5sums"] {
        check(path, list, &format!("{other}  usr/bin/a\n{sum}  {path}\n"), true);
        check(path, list, &format!("{other}  {path}\n"), false);
        check(path, list, &format!("{sum}  usr/share/doc/a\n"), false);
        check(path, list, &format!("{sum} {path}\n\n\u{fc}\n{}\n", "z".repeat(40)), false);
    }
    check("usr/lib/a/.netrc", "var/lib/dpkg/info/a.md5sums", &format!("{sum}  lib/a/.netrc"), true);
    check(path, "var/lib/dpkg/info/a.list", &format!("{sum}  {path}\n"), false);
}

#[test]
fn what_python_made_of_it_stays() {
    let key = random(BASE64, 86, 9) + "==";
    let check = |source: &str, is_spared: bool| {
        let mut sample = Sample::new();
        sample.put_file("usr/lib/a/b.py", source);
        let compiled = "usr/lib/a/__pycache__/b.cpython-311.pyc";
        sample.put_file(compiled, format!("compiled AccountKey={key}"));
        let list = format!("{}  usr/lib/a/b.py\n", md5("source"));
        sample.put_file("var/lib/dpkg/info/a.md5sums", list);
        let report = hardened(&mut sample);
        assert_eq!(report.spared.len(), usize::from(is_spared));
        assert_eq!(sample.names().contains(&compiled.to_owned()), is_spared);
    };
    check("source", true);
    check("another", false);
}

#[test]
fn keys_among_dependencies_stay_but_tokens_and_credentials_go() {
    let check = |path: &str, text: &str, is_spared: bool| {
        let mut sample = Sample::new();
        let file = sample.put_file(path, text);
        let report = hardened(&mut sample);
        let because = report.spared.first().map(|one| one.because);
        assert_eq!(because, is_spared.then_some(SparedBecause::Dependency), "{path}");
        assert_eq!(report.removed.is_empty(), is_spared, "{path}");

        // Nor is a file a dependency that has another name elsewhere.
        if is_spared {
            sample.tree.link(Tree::ROOT, (*b"key").into(), file);
            assert_eq!(hardened(&mut sample).removed[0].paths.len(), 2, "{path}");
        }
    };
    let body = random(BASE64, 64, 3);
    let key = format!("-----BEGIN PRIVATE KEY-----\nMIIE{body}\n-----END PRIVATE KEY-----\n");
    check("app/node_modules/ssh2/lib/constants.js", &format!("const key = `{key}`;"), true);
    check("app/node_modules/a/.netrc", NETRC, false);
    check("app/src/constants.js", &key, false);
    let token = concat!("ghp", "_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17");
    check("app/node_modules/a/index.js", token, false);
}

#[test]
fn what_apk_laid_down_stays() {
    let sum =
        |bytes: &str| base64::engine::general_purpose::STANDARD.encode(sha1::Sha1::digest(bytes));
    let list = |bytes| {
        format!("P:a\nF:etc\nR:x\nF:usr/a\nM:0:0:755\nR:.netrc\na:0:0:600\nZ:Q1{}\n\n", sum(bytes))
    };
    check("usr/a/.netrc", "lib/apk/db/installed", &list(NETRC), true);
    check("usr/a/.netrc", "usr/lib/apk/db/installed", &list(NETRC), true);
    check("usr/a/.netrc", "lib/apk/db/installed", &list("other"), false);
    check("usr/b/.netrc", "lib/apk/db/installed", &list(NETRC), false);
    check("usr/a/.netrc", "lib/apk/db/installed", "Z:Q1\nR:\nF:\nZ:Q1%\nR", false);
}

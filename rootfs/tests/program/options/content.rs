//! What is taken out, refused and put in.

use kiln_forge::Forge;
use serde_json::{Value, json};

use super::made;
use crate::{
    picture::Picture,
    program::{convert, converted},
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("options::content::optimize_and_keep_locale", optimize_and_keep_locale),
    ("options::content::secrets", secrets),
    ("options::content::rights_and_devices", rights_and_devices),
    ("options::content::inits", inits),
    ("options::content::systemd", systemd),
];

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n\
    QyNTUxOQAAACBhQ3Zk8sW1pJ4mXq0rT7uYvKbE2nHcLd9fGoMiNwPzSgAAAJh1x5RtUj\n\
    -----END OPENSSH PRIVATE KEY-----\n";
const SETTINGS: &str = "/.kiln/init.json";

fn text(forge: Forge, name: &str, text: &str) -> Forge {
    forge.member(b'0', name, "", 0o644, text.as_bytes())
}

fn optimize_and_keep_locale() {
    let paths = [
        "var/cache/apt/pkgcache.bin",
        "var/log/messages",
        "usr/share/doc/tool/README",
        "usr/share/doc/tool/copyright",
        "usr/share/man/man1/tool.1",
        "usr/share/locale/de/LC_MESSAGES/tool.mo",
        "usr/share/locale/fr/LC_MESSAGES/tool.mo",
        "kept",
    ];
    let forge = paths.iter().fold(Forge::default(), |forge, path| text(forge, path, path));
    let hung = Picture::of(vec![forge.end()]).hang();
    let left = |options: &[&str]| {
        let (read, metadata) = made(&hung, options);
        let is_left = |path: &&&str| read.find(&format!("/{path}")).is_some();
        let left: Vec<_> = paths.iter().filter(is_left).copied().collect();
        (left, metadata)
    };
    let (all, told) = left(&[]);
    assert_eq!((all, &told["optimised"]), (paths.to_vec(), &Value::Null));
    let (some, told) = left(&["--optimize"]);
    // Who writes a log finds it, and nothing in it.
    assert_eq!(some, ["var/log/messages", "usr/share/doc/tool/copyright", "kept"]);
    assert!(told["optimised"].as_array().unwrap().iter().any(|part| part["name"] == "manuals"));
    let (some, _) = left(&["--optimize=apt,documents,manuals"]);
    assert_eq!(some, [paths[1], paths[3], paths[5], paths[6], paths[7]]);
    let (some, _) = left(&["--optimize=locales", "--keep-locale", "fr"]);
    assert_eq!(some, [&paths[..5], &paths[6..]].concat());
    let unknown = convert(&hung.image(), &hung.at("out"), &["--optimize=everything"]);
    let words = "kiln-rootfs: --optimize knows no \"everything\": it is one or more of apt, apk, dnf, \
        pip, npm, documents, manuals, info, locales, logs\n";
    assert_eq!((unknown.code, &*unknown.error), (Some(1), words));
    assert_eq!(convert(&hung.image(), &hung.at("out"), &["--keep-locale", "fr"]).code, Some(2));
}

fn secrets() {
    let forge = text(Forge::default(), "root/.ssh/id_ed25519", KEY);
    let forge = text(forge, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    let hung = Picture::of(vec![text(forge, "kept", "text").end()]).hang();
    let (read, told) = made(&hung, &[]);
    assert!(read.find("/root/.ssh/id_ed25519").is_none() && read.find("/kept").is_some());
    assert!(read.fact("/etc/machine-id").kind.starts_with("file 0 "));
    assert_eq!(told["hardened"]["removed"][1]["paths"], json!(["/root/.ssh/id_ed25519"]));
    for kept in ["/root/.ssh", "root", "/root/.ssh/id_ed25519", "/root/.ssh/", "/"] {
        let (read, told) = made(&hung, &["--keep-secret", kept]);
        assert!(read.find("/root/.ssh/id_ed25519").is_some(), "{kept}");
        assert_eq!(told["hardened"]["spared"][0]["because"], "kept");
        let size = if kept == "/" { "file 33 " } else { "file 0 " };
        assert!(read.fact("/etc/machine-id").kind.starts_with(size));
    }
    let (read, told) = made(&hung, &["--no-harden"]);
    assert!(read.find("/root/.ssh/id_ed25519").is_some());
    assert!(read.fact("/etc/machine-id").kind.starts_with("file 33 "));
    assert_eq!(told["hardened"], Value::Null);
    let both = ["--no-harden", "--keep-secret", "/"];
    assert_eq!(convert(&hung.image(), &hung.at("out"), &both).code, Some(2));
}

fn rights_and_devices() {
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let forge = Forge::default()
        .member(b'0', "program", "", 0o4755, b"program")
        .pax_bytes(&[("SCHILY.xattr.security.capability", capability)])
        .member(b'0', "ping", "", 0o755, b"ping")
        .member(b'0', "open", "", 0o666, b"open")
        .device(b'4', "disk", 8, 1);
    let hung = Picture::of(vec![forge.end()]).hang();
    let told = |options: &[&str]| {
        let (read, told) = made(&hung, options);
        assert_eq!(told["hardened"]["privileged"].as_array().unwrap().len(), 3);
        assert_eq!(told["hardened"]["devices"][0]["path"], "/disk");
        let mode = |path| read.fact(path).mode;
        (mode("/program"), read.fact("/ping").attributes.len(), mode("/open"))
    };
    assert_eq!(told(&[]), (0o4755, 1, 0o666));
    assert_eq!(told(&["--devices", "keep"]), (0o4755, 1, 0o666));
    assert_eq!(told(&["--setuid", "strip"]), (0o755, 1, 0o666));
    assert_eq!(told(&["--capabilities", "strip"]), (0o4755, 0, 0o666));
    assert_eq!(told(&["--world-writable", "strip"]), (0o4755, 1, 0o664));
    for (option, path) in [
        ("--setuid", "/program"),
        ("--capabilities", "/ping"),
        ("--world-writable", "/open"),
        ("--devices", "/disk"),
    ] {
        let refused = convert(&hung.image(), &hung.at("out"), &[option, "refuse"]);
        let start = "kiln-rootfs: cannot harden it: the policy refuses ";
        assert_eq!(refused.code, Some(1));
        assert!(refused.error.starts_with(start), "{}", refused.error);
        assert!(refused.error.contains(path), "{}", refused.error);
    }
}

/// As much of a program as is looked at.
fn program() -> Vec<u8> {
    let mut bytes = vec![0; 120];
    bytes[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
    bytes[20] = 1;
    bytes[32] = 64;
    bytes[52] = 64;
    (bytes[54], bytes[56]) = (56, 1);
    bytes
}

fn inits() {
    let forge = Forge::default().member(b'0', "app", "", 0o755, &program());
    let forge = forge.member(b'0', "boot", "", 0o755, &program());
    let hung = Picture::of(vec![forge.end()]).runs(json!({ "Cmd": ["/app"] })).hang();
    let (read, told) = made(&hung, &["--init", "none"]);
    assert_eq!((read.0.len(), &told["init"]), (3, &Value::Null));
    let (read, told) = made(&hung, &["--init", "/boot"]);
    assert_eq!(told["init"]["program"], "/boot");
    assert_eq!(read.fact("/sbin/init").kind, format!("link {}", crate::reading::hex(b"/boot")));
    let own = hung.at("kiln-init");
    std::fs::write(&own, program()).unwrap();
    let own = ["--init", "direct", "--init-program", own.to_str().unwrap()];
    let (read, told) = made(&hung, &own);
    assert_eq!(told["init"]["found_by_default"], true);
    assert_eq!(read.fact("/.kiln/init").kind.split(' ').nth(1), Some("120"));
    assert!(read.find(SETTINGS).is_some());
    for (options, words) in [
        (
            ["--init", "other"],
            "--init is none, direct, systemd, or the absolute path of a program of the image's, not \
             \"other\"",
        ),
        (["--init-program", "/x"], "--init-program is for --init direct alone"),
    ] {
        let refused = convert(&hung.image(), &hung.at("out"), &options);
        assert_eq!((refused.code, refused.error), (Some(1), format!("kiln-rootfs: {words}\n")));
    }
    let missing = ["--init", "direct", "--init-program", "/nowhere/init"];
    let refused = convert(&hung.image(), &hung.at("out"), &missing);
    let words =
        "kiln-rootfs: cannot read the init /nowhere/init: give its place with --init-program: ";
    assert!(refused.error.starts_with(words), "{}", refused.error);
}

fn systemd() {
    let forge = Forge::default()
        .member(b'0', "app", "", 0o755, &program())
        .member(b'0', "usr/lib/systemd/systemd", "", 0o755, &program())
        .member(b'5', "usr/lib/systemd/system/", "", 0o755, b"");
    let hung = Picture::of(vec![forge.end()]).runs(json!({ "Cmd": ["/app"] })).hang();
    let (read, told) = made(&hung, &["--init", "systemd"]);
    let unit = told["init"]["unit"].as_str().unwrap();
    assert!(read.0.keys().any(|path| path.ends_with(&crate::reading::hex(unit.as_bytes()))));
    converted(&hung.image(), &hung.at("out"), &["--init", "systemd"]);
}

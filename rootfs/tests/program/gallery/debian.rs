//! Packages of the machine that a test runs on.

use std::{fs, path::Path, process::Command};

use kiln_forge::Forge;
use kiln_rootfs::Compression;

use crate::{
    comparison::check,
    picture::{Form, Picture},
    program::{ended, say},
};

const BUSYBOX: &str = "/bin/busybox";

/// What packages laid down here, as a layer that GNU tar makes. `None` where there are none.
fn packages(names: &[&str], options: &[&str]) -> Option<Vec<u8>> {
    let script = r#"packages=$1; shift; dpkg --listfiles $packages | sort -u |
        while read -r path; do test -e "$path" -o -L "$path" && echo ".$path"; done |
        tar --create --no-recursion --no-check-device "$@" --directory / --files-from - --file"#;
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("out.tar");
    let script = format!("{script} {}", path.display());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh", &names.join(" ")]).args(options);
    let ended = ended(shell.env("LC_ALL", "C"));
    let archive = fs::read(path).ok().filter(|archive| archive.len() > 10_240);
    if archive.is_none() {
        say(&format!("not tried: it takes the Debian packages {names:?}: {}", ended.error));
    }
    archive
}

#[test]
fn packages_of_debian() {
    let posix = ["--format=posix", "--xattrs", "--sparse"];
    let lower = packages(&["base-files", "dash", "passwd"], &posix);
    let upper = packages(&["sed", "grep", "mount"], &["--format=gnu"]);
    let (Some(lower), Some(upper)) = (lower, upper) else { return };
    let gone = Forge::default().member(b'0', "usr/share/.wh.doc", "", 0o644, b"").end();
    let read = check(&Picture::of(vec![lower, upper, gone]).packed(&[
        Compression::Gzip,
        Compression::Zstd,
        Compression::Plain,
    ]));
    assert_eq!(read.fact("/usr/bin/passwd").mode, 0o4755);
    assert!(read.find("/usr/share/doc").is_none());
    assert!(read.0.len() > 400, "{}", read.0.len());
}

#[test]
fn a_busybox_with_its_names() {
    let Some(busybox) = busybox() else { return };
    let mut forge = Forge::default()
        .member(b'5', "./", "", 0o755, b"")
        .member(b'5', "bin/", "", 0o755, b"")
        .member(b'0', "bin/busybox", "", 0o755, &busybox);
    for name in ["sh", "ls", "cat", "mount", "init"] {
        forge = forge.member(b'1', &format!("bin/{name}"), "bin/busybox", 0o755, b"");
    }
    let link = Forge::default().member(b'2', "sbin", "bin", 0o777, b"").end();
    let read = check(&Picture::of(vec![forge.end(), link]).form(Form::Docker));
    assert_eq!(read.fact("/bin/ls").first, read.fact("/bin/busybox").first);
}

#[test]
fn one_static_program_alone() {
    let Some(busybox) = busybox() else { return };
    let forge = Forge::default().member(b'0', "app", "", 0o755, &busybox);
    let read = check(&Picture::of(vec![forge.end()]).form(Form::Archive));
    assert_eq!(read.0.len(), 2);
}

fn busybox() -> Option<Vec<u8>> {
    let found = Path::new(BUSYBOX).exists();
    if !found {
        say("not tried: it takes the Debian package `busybox-static`");
    }
    found.then(|| fs::read(BUSYBOX).unwrap())
}

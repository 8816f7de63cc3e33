//! Packages of the machine that a test runs on, and systems made of packages.

use std::{fs, path::Path, process::Command};

use kiln_forge::Forge;
use kiln_rootfs::Compression;

use crate::picture::{Form, Picture};

const BUSYBOX: &str = "/bin/busybox";

/// What packages laid down here, as a layer that GNU tar makes.
///
/// # Panics
/// Where they are not installed.
fn packages(names: &[&str], options: &[&str]) -> Vec<u8> {
    let script = r#"packages=$1; shift; dpkg --listfiles $packages | sort -u |
        while read -r path; do test -e "$path" -o -L "$path" && echo ".$path"; done |
        tar --create --no-recursion --no-check-device "$@" --directory / --files-from - --file"#;
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("out.tar");
    let script = format!("{script} {}", path.display());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, "sh", &names.join(" ")]).args(options).env("LC_ALL", "C");
    let ended = shell.output().unwrap();
    let error = String::from_utf8_lossy(&ended.stderr);
    let archive = fs::read(path).unwrap_or_default();
    assert!(archive.len() > 10_240, "this takes the Debian packages {names:?}: {error}");
    archive
}

pub fn packages_of_debian() -> Picture {
    let posix = ["--format=posix", "--xattrs", "--sparse"];
    let lower = packages(&["base-files", "dash", "passwd"], &posix);
    let upper = packages(&["sed", "grep", "mount"], &["--format=gnu"]);
    let gone = Forge::default().member(b'0', "usr/share/.wh.doc", "", 0o644, b"").end();
    Picture::of(vec![lower, upper, gone]).packed(&[
        Compression::Gzip,
        Compression::Zstd,
        Compression::Plain,
    ])
}

pub fn a_busybox_with_its_names() -> Picture {
    let mut forge = Forge::default()
        .member(b'5', "./", "", 0o755, b"")
        .member(b'5', "bin/", "", 0o755, b"")
        .member(b'0', "bin/busybox", "", 0o755, &busybox());
    for name in ["sh", "ls", "cat", "mount", "init"] {
        forge = forge.member(b'1', &format!("bin/{name}"), "bin/busybox", 0o755, b"");
    }
    let link = Forge::default().member(b'2', "sbin", "bin", 0o777, b"").end();
    Picture::of(vec![forge.end(), link]).form(Form::Docker)
}

pub fn one_static_program_alone() -> Picture {
    let forge = Forge::default().member(b'0', "app", "", 0o755, &busybox());
    Picture::of(vec![forge.end()]).form(Form::Archive)
}

/// A static program that is many.
///
/// # Panics
/// Where the Debian package `busybox-static` is not installed.
pub fn busybox() -> Vec<u8> {
    assert!(Path::new(BUSYBOX).exists(), "this takes the Debian package `busybox-static`");
    fs::read(BUSYBOX).unwrap()
}

/// A system that boots by itself.
///
/// # Panics
/// As [`a_system_with`].
pub fn a_system_with_systemd() -> Picture {
    a_system_with(&["systemd", "systemd-sysv", "dbus"])
}

/// A system of the archive's packages: what is essential, and these.
///
/// # Panics
/// Where there is no `mmdebstrap`, or no way to the archive.
pub fn a_system_with(names: &[&str]) -> Picture {
    let excluded = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"];
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--mode=root", "--variant=essential", "--format=tar"]);
    mmdebstrap.args(excluded.map(|path| format!("--dpkgopt=path-exclude={path}")));
    if !names.is_empty() {
        mmdebstrap.arg(format!("--include={}", names.join(",")));
    }
    let ended = mmdebstrap.args(["trixie", "-"]).env("SOURCE_DATE_EPOCH", "1").output();
    let ended = ended.expect("this takes the Debian package `mmdebstrap`");
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "no system was made: {error}");
    Picture::of(vec![ended.stdout]).packed(&[Compression::Zstd])
}

//! No room, and no time: there is all of it or nothing.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use kiln_forge::Forge;
use kiln_rootfs::Compression;

use crate::{
    picture::{Hung, Picture},
    program::{Ended, PATH, convert, converted, ended},
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("faults::a_file_may_not_be_as_large", a_file_may_not_be_as_large),
    ("faults::killed_on_its_way", killed_on_its_way),
];
pub(crate) const ROOT: &[(&str, fn())] = &[("faults::a_disk_is_full", a_disk_is_full)];

const LARGE: usize = 4 << 20;

/// Of bytes that don't pack well.
fn picture() -> Picture {
    let mut state = 1_u32;
    let noise = (0..LARGE / 4).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    });
    let noise: Vec<u8> = noise.collect();
    Picture::of(vec![Forge::default().member(b'0', "noise", "", 0o644, &noise).end()])
        .packed(&[Compression::Plain])
}

/// Files end at so many blocks of 512 bytes, and whoever goes on is told.
fn limited(blocks: usize, hung: &Hung, output: &Path, options: &[&str]) -> Ended {
    let script = r#"trap "" XFSZ; ulimit -f "$1"; shift; exec "$@""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh", &blocks.to_string(), PATH]).arg(hung.image());
    ended(shell.arg("--output").arg(output).args(options))
}

fn a_file_may_not_be_as_large() {
    let hung = picture().hang();
    let gzip = picture().packed(&[Compression::Gzip]).hang();
    let old = hung.at("old");
    fs::write(&old, "as it was").unwrap();
    let large = "File too large (os error 27)\n";
    for options in [&["--format", "tar"][..], &[], &["--compress", "zstd"]] {
        for blocks in (0..LARGE / 512).step_by(LARGE / 512 / 5) {
            let Ended { code, out, error } = limited(blocks, &hung, &old, options);
            assert_eq!((code, &*out), (Some(1), ""), "{options:?} {blocks}");
            let start = "kiln-rootfs: cannot make the file system: cannot ";
            assert!(error.starts_with(start) && error.ends_with(large), "{error}");
            assert_eq!(hung.beside(), ["old"]);
            assert_eq!(fs::read(&old).unwrap(), b"as it was");
        }
    }
    let error = limited(100, &gzip, &gzip.at("new"), &[]).error;
    let start = "kiln-rootfs: cannot read the image's layers: layer 1 of 1: cannot spool it: ";
    assert_eq!(error, format!("{start}{large}"));
    assert_eq!(gzip.beside(), [""; 0]);
}

/// As much room as `mount` gives a tmpfs, in a place that goes when the script does.
fn a_disk_is_full() {
    let hung = picture().hang();
    let disk = hung.at("disk");
    fs::create_dir(&disk).unwrap();
    let script = r#"set -e; mount -t tmpfs -o size="$1" none "$2"; echo was >"$2/out"
        if "$3" "$4" -o "$2/out" $5 --quiet; then echo whole; fi; ls -A "$2"; head -c 4 "$2/out""#;
    for (room, options) in [
        ("64k", ""),
        ("1m", ""),
        ("4m", ""),
        ("64k", "--format=tar"),
        ("2m", "--format=tar"),
        ("4m", "--format=tar"),
        ("3m", "--compress=gzip"),
    ] {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-c", script, "sh", room]).arg(&disk).arg(PATH);
        let told = ended(unshare.arg(hung.image()).arg(options));
        assert_eq!((told.code, &*told.out), (Some(0), "out\nwas\n"), "{room} {options}");
        let full = "No space left on device (os error 28)\n";
        let start = "kiln-rootfs: cannot make the file system: cannot ";
        assert!(told.error.starts_with(start) && told.error.ends_with(full), "{}", told.error);
    }
    // And with room it is all there.
    assert_eq!(convert(&hung.image(), &disk.join("out"), &[]).code, Some(0));
}

/// Whenever it is killed there is nothing, or the whole; a file without a name, where the file system has
/// such, is gone with it.
fn killed_on_its_way() {
    let hung = picture().packed(&[Compression::Zstd]).hang();
    let out = hung.at("out");
    let begun = Instant::now();
    converted(&hung.image(), &out, &[]);
    let (whole, took) = (fs::read(&out).unwrap(), begun.elapsed());
    let is_nameless = can_be_nameless(hung.at(".").as_path());
    let mut ended_early = 0;
    for step in 0..12 {
        fs::write(&out, "as it was").unwrap();
        let seconds = (took * step / 12 + Duration::from_millis(1)).as_secs_f64().to_string();
        let mut timeout = Command::new("timeout");
        timeout.args(["--signal=KILL", &seconds, PATH]).arg(hung.image());
        let killed = ended(timeout.arg("--output").arg(&out));
        ended_early += u32::from(killed.code != Some(0));
        let found = fs::read(&out).unwrap();
        assert!(found == whole || found == b"as it was", "{step}");
        if is_nameless {
            assert_eq!(hung.beside(), ["out"], "{step}");
        }
    }
    assert!(ended_early > 0, "it was always faster");
}

fn can_be_nameless(directory: &Path) -> bool {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let file = openat(CWD, directory, OFlags::TMPFILE | OFlags::RDWR, Mode::RWXU);
    file.is_ok()
}

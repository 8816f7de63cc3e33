//! Device nodes, setuid bits, extended attributes: exactly what the table in `unpack` says. 30 and
//! more cases.

use super::*;

#[test]
fn special_files_are_left_out() {
    for (kind, what) in [(b'3', "a character device"), (b'4', "a block device"), (b'6', "a fifo")] {
        for name in ["null", "dev/null", "a/b/c"] {
            let place = Place::new();
            let archive = Forge::default()
                .member(kind, name, "", 0o666, b"")
                .member(b'0', "after", "", 0o644, b"")
                .end();
            let warnings = place.unpack(&archive).unwrap();
            assert_eq!(warnings, [format!("{name} is left out: it is {what}")]);
            assert!(place.dest().join(name).symlink_metadata().is_err());
            assert!(place.dest().join("after").is_file());
        }
    }
}

#[test]
fn modes_lose_what_could_be_misused() {
    let umask = 0o777 & !umask();
    let mut cases = 0;
    for high in [0o0000, 0o1000, 0o2000, 0o4000, 0o6000, 0o7000] {
        for low in [0o000, 0o444, 0o755, 0o777] {
            let place = Place::new();
            let archive = Forge::default()
                .member(b'0', "file", "", high | low, b"")
                .member(b'5', "directory", "", high | low, b"")
                .end();
            place.unpack(&archive).unwrap();
            let mode = |name: &str| place.dest().join(name).metadata().unwrap().mode() & 0o7777;
            assert_eq!(mode("file"), low & umask, "{high:o} {low:o}");
            assert_eq!(mode("directory"), (low | 0o700) & umask, "{high:o} {low:o}");
            cases += 1;
        }
    }
    assert!(cases >= 20);
}

#[test]
fn owners_and_attributes_are_dropped() {
    for (key, value) in [
        ("SCHILY.xattr.security.capability", "\u{1}"),
        ("SCHILY.xattr.user.a", "b"),
        ("SCHILY.xattr.trusted.overlay.opaque", "y"),
        ("SCHILY.acl.access", "user::rwx"),
        ("LIBARCHIVE.xattr.user.a", "Yg=="),
        ("RHT.security.selinux", "x"),
        ("SCHILY.fflags", "immutable"),
        ("uid", "0"),
        ("gid", "0"),
        ("uname", "root"),
    ] {
        let place = Place::new();
        let archive =
            Forge::default().pax(&[(key, value)]).member(b'0', "file", "", 0o644, b"x").end();
        assert_eq!(place.unpack(&archive).unwrap(), Vec::<String>::new(), "{key}");
        let file = File::open(place.dest().join("file")).unwrap();
        let mut names = [0; 4096];
        let length = rustix::fs::flistxattr(&file, &mut names[..]).unwrap_or(0);
        assert_eq!(length, 0, "{key}");
        assert_eq!(file.metadata().unwrap().uid(), rustix::process::getuid().as_raw(), "{key}");
    }
}

fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap();
    u32::from_str_radix(umask.trim(), 8).unwrap()
}

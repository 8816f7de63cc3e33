//! A directory with every kind of file, as tools write it into a tar: what we read is what is on the
//! disk.

use std::{
    fs,
    os::unix::fs::{FileExt as _, PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use rustix::fs::{
    CWD, FileType, Timespec, Timestamps, XattrFlags, makedev, mknodat, setxattr, utimensat,
};

use crate::{converted::layers, program::of_debian, reading::Reading};

pub(crate) const ROOT: &[(&str, fn())] =
    &[("writers::what_tools_write_is_read_as_it_was", what_tools_write_is_read_as_it_was)];

const PYTHON: &str = r"
import sys, tarfile
with tarfile.open(sys.argv[1], 'w', format=getattr(tarfile, sys.argv[2] + '_FORMAT')) as archive:
    archive.add('.')
";

fn stage(root: &Path) {
    let at = |name: &str| root.join(name);
    fs::create_dir_all(at("deep/er/est")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    fs::write(at("deep/file"), [7; 5000]).unwrap();
    fs::write(at("empty-file"), "").unwrap();
    fs::write(at("new\nline \\ \u{1}"), "odd").unwrap();
    fs::write(at(&"n".repeat(255)), "long").unwrap();
    let long = ["l".repeat(90), "m".repeat(90)].join("/");
    fs::create_dir(at(&"l".repeat(90))).unwrap();
    fs::write(at(&long), "long path").unwrap();
    symlink("deep/file", at("link")).unwrap();
    symlink("/nowhere/".repeat(30), at("long-link")).unwrap();
    fs::hard_link(at("deep/file"), at("linked")).unwrap();
    fs::hard_link(at(&long), at("linked-long")).unwrap();
    for (name, mode) in [("setuid", 0o4755), ("setgid", 0o2710), ("none", 0), ("sticky", 0o1777)] {
        fs::write(at(name), name).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    std::os::unix::fs::chown(at("none"), Some(1234), Some(70_000)).unwrap();
    std::os::unix::fs::chown(at("sticky"), Some(2_000_000), Some(2_000_000)).unwrap();
    let hollow = fs::File::create(at("hollow")).unwrap();
    hollow.set_len(3 << 20).unwrap();
    for block in [0, 64, 65, 300] {
        hollow.write_all_at(&[9; 4096], block * 4096).unwrap();
    }
    fs::File::create(at("all-hollow")).unwrap().set_len(1 << 20).unwrap();
    mknodat(CWD, at("fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
    mknodat(CWD, at("null"), FileType::CharacterDevice, 0o666.into(), makedev(1, 3)).unwrap();
    mknodat(CWD, at("disk"), FileType::BlockDevice, 0o660.into(), makedev(259, 70_000)).unwrap();
}

/// What not every format can say.
fn stage_rich(root: &Path) {
    let at = |name: &str| root.join(name);
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    setxattr(at("setgid"), "security.capability", capability, XattrFlags::empty()).unwrap();
    setxattr(at("deep"), "user.of", b"\0value\xff", XattrFlags::empty()).unwrap();
    setxattr(at("deep/file"), "user.empty", b"", XattrFlags::empty()).unwrap();
    for (name, seconds, nanoseconds) in
        [("none", 1_234_567, 123_456_789), ("setuid", -86_400, 0), ("link", 5, 0)]
    {
        let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, at(name), &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

fn what_tools_write_is_read_as_it_was() {
    let base = tempfile::tempdir().unwrap();
    let (plain, rich) = (base.path().join("plain"), base.path().join("rich"));
    for root in [&plain, &rich] {
        fs::create_dir(root).unwrap();
        stage(root);
    }
    stage_rich(&rich);
    let out = base.path().join("out.tar");
    let check =
        |root: &Path, (program, package): (&str, &str), arguments: &[&str], is_exact: bool| {
            let out = out.to_str().unwrap();
            let arguments = arguments.iter().map(|word| if *word == "OUT" { out } else { *word });
            let arguments: Vec<_> = arguments.collect();
            let run = of_debian(package, Command::new(program).args(&arguments).current_dir(root));
            assert!(run.status.success(), "{program} {arguments:?}: {run:?}");
            let mut ours = layers(&[fs::read(out).unwrap()]).unwrap().reading();
            let mut theirs = Reading::of_directory(root);
            for reading in [&mut ours, &mut theirs] {
                for fact in reading.0.values_mut().filter(|_| !is_exact) {
                    // Whole seconds are all that these formats have.
                    fact.modified.1 = 0;
                }
            }
            let differences = ours.differences(&theirs);
            assert!(differences.is_empty(), "{program} {arguments:?}: {differences:#?}");
        };
    let gnu = ("tar", "tar");
    let bsd = ("bsdtar", "libarchive-tools");
    let python = ("python3", "python3");
    // Umlauts and the like stay out of it: each tool has its own idea of a text's encoding.
    for sparse in ["--sparse", "--no-check-device"] {
        check(&plain, gnu, &["--create", "--format=gnu", sparse, "--file", "OUT", "."], false);
        for version in ["0.0", "0.1", "1.0"] {
            let version = format!("--sparse-version={version}");
            let posix =
                ["--create", "--format=posix", "--xattrs", sparse, &version, "--file", "OUT", "."];
            check(&rich, gnu, &posix, true);
        }
    }
    check(&plain, bsd, &["--create", "--format=gnutar", "--file", "OUT", "."], false);
    let pax = ["--create", "--format=pax", "--no-acls", "--xattrs", "--file", "OUT", "."];
    check(&rich, bsd, &pax, true);
    check(&plain, python, &["-c", PYTHON, "OUT", "GNU"], false);
    check(&plain, python, &["-c", PYTHON, "OUT", "PAX"], false);
}

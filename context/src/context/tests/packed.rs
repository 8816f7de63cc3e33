//! What comes out, as GNU tar sees it.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::Permissions,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use rustix::fs::{XattrFlags, getxattr, setxattr};

use super::*;

fn tree() -> Tree {
    let tree = Tree::new(&[
        ("Dockerfile", "FROM scratch\n"),
        ("z/file", &"7".repeat(1000)),
        ("run", "#!/bin/sh"),
        ("empty", ""),
        ("a\nb", "newline"),
        (&"long".repeat(40), "long"),
        (&format!("{}/{}", "deep/".repeat(30), "end"), "deep"),
    ]);
    fs::create_dir(tree.path("z/nothing")).unwrap();
    fs::set_permissions(tree.path("run"), Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(tree.path("z/nothing"), Permissions::from_mode(0o1700)).unwrap();
    fs::write(tree.0.path().join(OsStr::from_bytes(b"\xff\xfe")), "bytes").unwrap();
    tree.link("link", "z/file");
    tree.link("dangling", "/nowhere");
    tree.link("to-long", &"far".repeat(50));
    fs::hard_link(tree.path("z/file"), tree.path("second")).unwrap();
    tree.age("run");
    tree
}

fn tar(arguments: &[&str], archive: &[u8], directory: &Path) -> String {
    let file = directory.join("archive.tar");
    fs::write(&file, archive).unwrap();
    let mut tar = Command::new("tar");
    tar.env("TZ", "UTC").arg("--file").arg(&file).args(arguments);
    let output = tar.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    fs::remove_file(file).unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything about each file: kind and mode, size, time, where it leads or what is in it.
fn all(root: &Path) -> BTreeMap<PathBuf, String> {
    fn add(root: &Path, below: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(root.join(below)).unwrap() {
            let path = below.join(entry.unwrap().file_name());
            let whole = root.join(&path);
            let metadata = fs::symlink_metadata(&whole).unwrap();
            let (mode, links) = (metadata.mode(), metadata.nlink());
            let time = (metadata.mtime(), metadata.mtime_nsec());
            let content = if metadata.is_dir() {
                add(root, &path, found);
                String::new()
            } else if metadata.is_symlink() {
                fs::read_link(&whole).unwrap().display().to_string()
            } else {
                let attribute = getxattr(&whole, "user.kiln", &mut [0; 99]).unwrap_or(0);
                format!("{links} {attribute} {:?}", fs::read(&whole).unwrap())
            };
            found.insert(path, format!("{mode:o} {time:?} {content}"));
        }
    }
    let mut found = BTreeMap::new();
    add(root, Path::new(""), &mut found);
    found
}

#[test]
fn gnu_tar_makes_the_same_tree_of_it() {
    let tree = tree();
    let run = tree.path("run");
    let has_attributes = setxattr(&run, "user.kiln", b"a value", XattrFlags::empty()).is_ok();
    let archive = tar_of(&mut tree.context());
    let into = tempfile::tempdir().unwrap();
    let place = into.path().join("out");
    fs::create_dir(&place).unwrap();
    let directory = format!("--directory={}", place.display());
    let attributes = if has_attributes { "--xattrs" } else { "--no-xattrs" };
    let flags = ["--extract", "--preserve-permissions", "--no-same-owner", attributes, &directory];
    tar(&flags, &archive, into.path());
    let (expected, found) = (all(tree.0.path()), all(&place));
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (path, expected) in expected {
        assert_eq!(found[&path], expected, "{path:?}");
    }
}

#[test]
fn gnu_tar_lists_what_is_expected() {
    let tree = Tree::new(&[("b/c", "12345"), ("Dockerfile", "FROM a\n")]);
    tree.link("a", "b/c");
    fs::set_permissions(tree.path("b"), Permissions::from_mode(0o750)).unwrap();
    fs::set_permissions(tree.path("b/c"), Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(tree.path("Dockerfile"), Permissions::from_mode(0o644)).unwrap();
    for path in ["b/c", "b", "Dockerfile"] {
        tree.age(path);
    }
    let archive = tar_of(&mut tree.context());
    let base = tempfile::tempdir().unwrap();
    let listed =
        tar(&["--list", "--verbose", "--numeric-owner", "--full-time"], &archive, base.path());
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = listed.lines().map(words).collect();
    let time = ["2023-11-14", "22:13:20.123456789"];
    assert_eq!(lines[0], ["-rw-r--r--", "0/0", "7", time[0], time[1], "Dockerfile"]);
    assert_eq!(lines[1][..3], ["lrwxrwxrwx", "0/0", "0"]);
    assert_eq!(lines[1][5..], ["a", "->", "b/c"]);
    assert_eq!(lines[2], ["drwxr-x---", "0/0", "0", time[0], time[1], "b/"]);
    assert_eq!(lines[3], ["-rw-r-----", "0/0", "5", time[0], time[1], "b/c"]);
    assert_eq!(lines.len(), 4);
}

#[test]
fn the_same_tree_is_the_same_bytes_from_any_offset() {
    let tree = tree();
    tree.write("large", vec![5; 600 << 10]);
    let mut context = tree.context();
    let whole = tar_of(&mut context);
    assert!(whole == tar_of(&mut tree.context()), "two packs differ");
    let known = context.identify().unwrap();
    assert_eq!(known.size, whole.len() as u64);
    assert_eq!(known, tree.context().identify().unwrap());
    let blocks = (0..whole.len()).step_by(512).flat_map(|at| [at, at + 1, at + 511]);
    let offsets = blocks.step_by(7).chain([whole.len() - 1, whole.len()]);
    for offset in offsets {
        let mut rest = Vec::with_capacity(whole.len());
        let mut take = |chunk: Bytes| {
            rest.extend_from_slice(&chunk);
            Ok(())
        };
        context.write_from(offset as u64, &mut take).unwrap();
        assert!(rest == whole[offset..], "from {offset}: {} bytes", rest.len());
    }
}

#[test]
fn many_files_are_quick() {
    let tree = Tree::new(&[("Dockerfile", "FROM a\n")]);
    for number in 0..5000 {
        tree.write(&format!("d{}/f{number}", number % 50), number.to_string());
    }
    let mut context = tree.context();
    assert_eq!(names(&mut context).len(), 5051);
    assert_eq!(context.identify().unwrap(), tree.context().identify().unwrap());
}

#[test]
fn sockets_and_fifos_stay_and_are_told() {
    let tree = Tree::new(&[("Dockerfile", "FROM a\n"), (".dockerignore", "ignored")]);
    for path in ["socket", "ignored"] {
        std::os::unix::net::UnixListener::bind(tree.path(path)).unwrap();
    }
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, tree.path("fifo"), fifo, 0o600.into(), 0).unwrap();
    let mut context = tree.context();
    let told = context.take_warnings();
    assert_eq!(told, ["fifo is left out: it is a fifo", "socket is left out: it is a socket"]);
    assert_eq!(names(&mut context), [".dockerignore", "Dockerfile"]);
}

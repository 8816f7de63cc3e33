//! What others read in our archives.

mod everything;
mod lines;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use proptest::prelude::*;
use tempfile::TempDir;

use self::everything::everything;
use super::*;
use crate::{
    sample::Sample,
    tree::{Metadata, Time},
};

struct Archive {
    directory: TempDir,
    path: PathBuf,
}

fn archive(sample: &Sample) -> Archive {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.tar");
    let mut file = File::create(&path).unwrap();
    let written = write(&sample.tree, &sample.store, &mut file).unwrap();
    assert_eq!(written.bytes, fs::metadata(&path).unwrap().len());
    assert_eq!(written.entries, sample.tree.walk().count() as u64);
    Archive { directory, path }
}

/// Of a program in this Debian package.
fn run(command: &mut Command, package: &str) -> String {
    let program = command.get_program().to_owned();
    let output = command.env("LC_ALL", "C.UTF-8").output();
    let output = output.unwrap_or_else(|error| panic!("needs {program:?} of {package}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn extracted(archive: &Archive, command: &mut Command, package: &str) -> PathBuf {
    assert!(rustix::process::geteuid().is_root(), "needs to be root, to make devices and owners");
    let root = archive.directory.path().join("root");
    fs::create_dir(&root).unwrap();
    run(command.arg("-xpf").arg(&archive.path).arg("-C").arg(&root), package);
    root
}

fn gnu_tar(archive: &Archive) -> PathBuf {
    let mut tar = Command::new("tar");
    tar.args(["--numeric-owner", "--xattrs", "--xattrs-include=*", "--warning=no-unknown-keyword"]);
    extracted(archive, &mut tar, "tar")
}

fn python(path: &Path) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tar/tests/reader.py");
    let output = run(Command::new("python3").arg(script).arg(path), "python3");
    output.lines().map(str::to_owned).collect()
}

#[track_caller]
fn same(found: &[String], expected: &[String]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn gnu_tar_reads_the_same() {
    let sample = everything();
    let archive = archive(&sample);
    let root = gnu_tar(&archive);
    same(&lines::of_directory(&root), &lines::of_tree(&sample));
    let huge = root.join("holes/huge");
    assert_eq!(lines::bytes_at(&huge, 5 << 30, 14).unwrap(), b"five gibibytes");
    let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(huge).unwrap());
    assert!(blocks < 64, "{blocks} blocks of a file of holes");
}

#[test]
fn libarchive_reads_the_same() {
    let sample = everything();
    let archive = archive(&sample);
    let mut bsdtar = Command::new("bsdtar");
    bsdtar.args(["--numeric-owner", "--xattrs"]);
    let root = extracted(&archive, &mut bsdtar, "libarchive-tools");
    // It leaves the time of the directory that it extracts into, which sorts first, alone.
    same(&lines::of_directory(&root)[1..], &lines::of_tree(&sample)[1..]);
}

#[test]
fn python_reads_the_same() {
    let sample = everything();
    same(&python(&archive(&sample).path), &lines::of_tree(&sample));
}

#[test]
fn umoci_unpacks_the_same() {
    let sample = without_what_go_cannot(everything());
    let archive = archive(&sample);
    let layout = archive.directory.path().join("layout");
    let image = format!("{}:latest", layout.display());
    let bundle = archive.directory.path().join("bundle");
    let umoci = |arguments: &[&str], path: &Path| {
        run(Command::new("umoci").args(arguments).arg(path), "umoci");
    };
    umoci(&["init", "--layout"], &layout);
    umoci(&["new", "--image"], Path::new(&image));
    umoci(&["raw", "add-layer", "--image", &image], &archive.path);
    umoci(&["unpack", "--image", &image], &bundle);
    same(&lines::of_directory(&bundle.join("rootfs")), &lines::of_tree(&sample));
}

/// Go's reader takes an empty attribute for none, and umoci writes nine gibibytes of holes as zeros.
fn without_what_go_cannot(mut sample: Sample) -> Sample {
    let names: Vec<_> = sample.tree.walk().collect();
    for (_, id) in names {
        sample.tree.node_mut(id).metadata.attributes.retain(|_, value| !value.is_empty());
        sample.tree.unlink(id, b"huge");
    }
    sample
}

#[test]
fn what_a_tar_cannot_say_is_refused() {
    let mut sample = Sample::new();
    sample.add(Tree::ROOT, b"odd", Kind::BlockDevice { major: 1, minor: 1 << 21 });
    let error = write(&sample.tree, &sample.store, io::sink()).unwrap_err();
    let expected = "odd: a tar has no room for the numbers 1:2097152 of a device";
    assert_eq!(error.to_string(), expected);

    let mut sample = Sample::new();
    sample.add(Tree::ROOT, b"odd\n", Kind::Symlink([].into()));
    let error = write(&sample.tree, &sample.store, io::sink()).unwrap_err();
    assert!(error.to_string().starts_with("odd\\n: a symbolic link without"), "{error}");
}

#[test]
fn missing_bytes_are_an_error() {
    let mut sample = Sample::new();
    let store = sample.store.add_bytes(*b"short");
    let piece = crate::store::Piece { at: 0, length: 6, store, offset: 0 };
    sample.add(Tree::ROOT, b"file", Kind::File(Content { size: 6, pieces: vec![piece] }));
    let error = write(&sample.tree, &sample.store, io::sink()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the bytes of file");
}

prop_compose! {
    fn any_metadata()(
        mode in 0..0o10000_u16,
        user in any::<u32>().prop_map(|user| user.saturating_sub(1)),
        seconds in -(1_i64 << 31)..(1 << 33),
        nanoseconds in 0..1_000_000_000_u32,
        value in proptest::collection::vec(any::<u8>(), 0..300),
    ) -> Metadata {
        let attributes = [(b"user.value".as_slice().into(), value.into())].into();
        let modified = Time { seconds, nanoseconds };
        Metadata { mode, user, group: user / 3, modified, attributes }
    }
}

/// Names, kinds and holes by chance; each node goes below one that came before.
fn any_sample() -> impl Strategy<Value = Sample> {
    let name = proptest::collection::vec(any::<u8>(), 1..255).prop_map(|mut name| {
        name.iter_mut().filter(|byte| matches!(byte, 0 | b'/')).for_each(|byte| *byte = b'_');
        if name.iter().all(|byte| *byte == b'.') { vec![b'_'; name.len()] } else { name }
    });
    let node = (name, 0..5_u8, any::<u16>(), 0..30_000_u64, any_metadata());
    proptest::collection::vec(node, 0..25).prop_map(|nodes| {
        let mut sample = Sample::new();
        let (mut directories, mut files) = (vec![Tree::ROOT], Vec::new());
        for (name, kind, pick, size, mut metadata) in nodes {
            let parent = directories[usize::from(pick) % directories.len()];
            if sample.tree.child(parent, &name).is_some() {
                continue;
            }
            if kind == 0 {
                let kind = Kind::Directory(BTreeMap::new());
                directories.push(sample.add_with(parent, &name, kind, metadata));
            } else if kind == 1 && !files.is_empty() {
                let file = files[usize::from(pick) % files.len()];
                sample.tree.link(parent, name.into(), file);
            } else if kind == 2 {
                metadata.attributes.clear();
                let target = [name.clone(), name.clone()].concat();
                sample.add_with(parent, &name, Kind::Symlink(target.into()), metadata);
            } else {
                let at = u64::from(pick) % (size + 1);
                let half = (size - at) / 2;
                let bytes = vec![kind; usize::try_from(half).unwrap()];
                let kind = sample.content(size, &[(at, &bytes)]);
                files.push(sample.add_with(parent, &name, kind, metadata));
            }
        }
        sample
    })
}

#[test]
fn pieces_that_overlap_are_an_error() {
    let check = |pieces: &[(u64, u64)]| {
        let mut sample = Sample::new();
        let store = sample.store.add_bytes([0; 100]);
        let piece = |(at, length): &(u64, u64)| crate::store::Piece {
            at: *at,
            length: *length,
            store,
            offset: 0,
        };
        let pieces = pieces.iter().map(piece).collect();
        sample.add(Tree::ROOT, b"file", Kind::File(Content { size: 100, pieces }));
        let error = write(&sample.tree, &sample.store, io::sink()).unwrap_err();
        assert!(matches!(error, TarError::Torn { .. }), "{error}");
    };
    check(&[(0, 60), (50, 10)]);
    check(&[(50, 10), (0, 10)]);
    check(&[(50, 51)]);
    check(&[(50, u64::MAX)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_tree_is_read_the_same(sample in any_sample()) {
        let archive = archive(&sample);
        let expected = lines::of_tree(&sample);
        same(&python(&archive.path), &expected);
        same(&lines::of_directory(&gnu_tar(&archive)), &expected);
        let mut again = Vec::new();
        write(&sample.tree, &sample.store, &mut again).unwrap();
        prop_assert!(again == fs::read(&archive.path).unwrap());
    }
}

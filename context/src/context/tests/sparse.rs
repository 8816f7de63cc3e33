//! Files with holes, and files beyond what a header can say.

use std::{fs::File, os::unix::fs::FileExt, os::unix::fs::MetadataExt, process::Command};

use super::*;

const MIB: u64 = 1 << 20;

/// So many bytes, and some at each of the places.
fn holed(tree: &Tree, size: u64, places: &[u64]) -> bool {
    let file = File::create(tree.path("holed")).unwrap();
    file.set_len(size).unwrap();
    for place in places {
        file.write_all_at(b"something", *place).unwrap();
    }
    file.sync_all().unwrap();
    file.metadata().unwrap().blocks() * 512 < size - MIB
}

fn check(size: u64, places: &[u64]) {
    let tree = Tree::new(&[("Dockerfile", "FROM a\n")]);
    if !holed(&tree, size, places) {
        // This file system has no holes.
        return;
    }
    let mut context = tree.context();
    let archive = tar_of(&mut context);
    let data = places.len() as u64 * (64 << 10);
    assert!((archive.len() as u64) < data + 16 * 1024, "{} bytes", archive.len());
    assert_eq!(context.identify().unwrap().size, archive.len() as u64);

    let mut read = tar::Archive::new(&archive[..]);
    let entry = read.entries().unwrap().map(Result::unwrap).last().unwrap();
    assert_eq!((&*entry.path_bytes(), entry.size()), (&b"holed"[..], size));

    let into = tempfile::tempdir().unwrap();
    let file = into.path().join("archive.tar");
    fs::write(&file, &archive).unwrap();
    let tar =
        Command::new("tar").arg("-C").arg(into.path()).arg("-xf").arg(&file).output().unwrap();
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    let (made, from) = (into.path().join("holed"), tree.path("holed"));
    assert_eq!(made.metadata().unwrap().len(), size);
    let (made, from) = (File::open(made).unwrap(), File::open(from).unwrap());
    for place in places.iter().copied().chain([0, size - 4096]) {
        let read = |file: &File| {
            let mut bytes = [0; 4096];
            let count = file.read_at(&mut bytes, place.saturating_sub(100)).unwrap();
            bytes[..count].to_vec()
        };
        assert_eq!(read(&made), read(&from), "at {place}");
    }
}

#[test]
fn holes_are_not_sent() {
    check(8 * MIB, &[0]);
    check(8 * MIB, &[8 * MIB - 9]);
    check(8 * MIB, &[3 * MIB, 5 * MIB]);
    check(64 * MIB, &[]);
}

#[test]
fn a_long_map_goes_on_behind_the_header() {
    let places: Vec<_> = (0..80).map(|at| at * MIB + 4096).collect();
    check(100 * MIB, &places);
    check(80 * MIB, &places[..4]);
    check(80 * MIB, &places[..25]);
    check(80 * MIB, &places[..26]);
}

#[test]
fn more_than_eight_gibibytes_have_a_size() {
    check(9 << 30, &[0, (8 << 30) + 5 * MIB]);
}

#[test]
fn a_size_beyond_octal_digits_is_written() {
    let stamp = crate::walk::Stamp {
        device: 0,
        inode: 0,
        size: 9 << 30,
        mode: 0o100_644,
        modified: (-2, 750_000_000),
        changed: (0, 0),
        blocks: u64::MAX,
    };
    let kind = crate::walk::Kind::File;
    let member = crate::walk::Member { path: b"large".to_vec(), kind, stamp };
    let head = crate::pack::head_of(&member);
    let mut archive = tar::Archive::new(&head[..]);
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(entry.size(), 9 << 30);
    let records = entry.pax_extensions().unwrap().unwrap();
    let records: Vec<_> =
        records.map(|record| record.unwrap()).map(|r| r.value().unwrap().to_owned()).collect();
    assert_eq!(records, ["-1.250000000"]);
}

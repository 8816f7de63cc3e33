use super::*;

fn record(operation: Operation, inode: u64, path: &str) -> Record {
    Record {
        operation,
        inode,
        offset: 0,
        path: Path::new("/home").join(path),
        other: PathBuf::new(),
        data: Vec::new(),
    }
}

fn write(inode: u64, path: &str, offset: u64, data: &[u8]) -> Record {
    Record { offset, data: data.to_vec(), ..record(Operation::Write, inode, path) }
}

fn rename(from: &str, to: &str) -> Record {
    Record { other: Path::new("/home").join(to), ..record(Operation::Rename, 0, from) }
}

/// Every image that a thousand rolls give.
fn images(records: &[Record], order: Order) -> BTreeSet<BTreeMap<PathBuf, Option<Vec<u8>>>> {
    let mut disk = PowerLoss::new(Path::new("/home"));
    for record in records {
        disk.apply(record);
    }
    let mut state = 1_u64;
    let mut roll = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    (0..1000).map(|_| disk.cut(order, &mut roll).entries).collect()
}

fn file(path: &str, bytes: &[u8]) -> (PathBuf, Option<Vec<u8>>) {
    (path.into(), Some(bytes.to_vec()))
}

#[test]
fn what_was_synced_is_there_and_nothing_else_is_sure() {
    let mut records = vec![
        record(Operation::Create, 1, "a"),
        write(1, "a", 0, b"old"),
        record(Operation::Sync, 1, "a"),
        record(Operation::Sync, 0, ""),
    ];
    for order in [Order::Kept, Order::Lost] {
        let one = BTreeMap::from([file("a", b"old")]);
        assert_eq!(images(&records, order), BTreeSet::from([one]));
    }
    records.push(write(1, "a", 0, b"new"));
    for order in [Order::Kept, Order::Lost] {
        let found = images(&records, order);
        let both = [b"old", b"new"].map(|bytes| BTreeMap::from([file("a", bytes)]));
        assert_eq!(found, both.into());
    }
}

#[test]
fn a_file_without_its_directory_synced_may_be_gone() {
    let records = [
        record(Operation::Create, 1, "a"),
        write(1, "a", 0, b"x"),
        record(Operation::Sync, 1, "a"),
    ];
    let found = images(&records, Order::Kept);
    assert_eq!(found, BTreeSet::from([BTreeMap::new(), BTreeMap::from([file("a", b"x")])]));
}

/// The classical mistake: renamed into place before its bytes were synced.
#[test]
fn a_rename_may_overtake_the_bytes() {
    let mut records = vec![
        record(Operation::Create, 1, "tmp"),
        write(1, "tmp", 0, b"whole"),
        rename("tmp", "final"),
        record(Operation::Sync, 0, ""),
    ];
    let empty = BTreeMap::from([file("final", b"")]);
    assert!(images(&records, Order::Lost).contains(&empty));
    records.insert(2, record(Operation::Sync, 1, "tmp"));
    let whole = BTreeMap::from([file("final", b"whole")]);
    assert_eq!(images(&records, Order::Lost), BTreeSet::from([whole]));
}

#[test]
fn a_long_write_is_torn_at_sectors() {
    let records = [
        record(Operation::Create, 1, "a"),
        record(Operation::Sync, 0, ""),
        write(1, "a", 0, &[7; 1024]),
    ];
    let lengths: BTreeSet<_> = images(&records, Order::Lost)
        .into_iter()
        .flat_map(|image| image.into_values().flatten())
        .map(|bytes| (bytes.len(), bytes.first().copied()))
        .collect();
    let expected = [(0, None), (512, Some(7)), (1024, Some(0)), (1024, Some(7))];
    assert_eq!(lengths, expected.into());
}

#[test]
fn a_directory_is_removed_with_what_was_in_it_or_not_at_all() {
    let records = [
        record(Operation::MakeDirectory, 0, "d"),
        record(Operation::Create, 1, "d/a"),
        record(Operation::Sync, 0, "d"),
        record(Operation::Sync, 0, ""),
        record(Operation::Unlink, 1, "d/a"),
        record(Operation::RemoveDirectory, 0, "d"),
    ];
    let directory = (PathBuf::from("d"), None);
    let expected = BTreeSet::from([
        BTreeMap::new(),
        BTreeMap::from([directory.clone()]),
        BTreeMap::from([directory, file("d/a", b"")]),
    ]);
    assert_eq!(images(&records, Order::Lost), expected);
}

#[test]
fn a_number_that_is_given_again_is_another_file() {
    let records = [
        record(Operation::Create, 1, "a"),
        write(1, "a", 0, b"first"),
        record(Operation::Sync, 1, "a"),
        record(Operation::Unlink, 1, "a"),
        record(Operation::Create, 1, "b"),
        record(Operation::Sync, 1, "b"),
        record(Operation::Sync, 0, ""),
    ];
    let one = BTreeMap::from([file("b", b"")]);
    assert_eq!(images(&records, Order::Lost), BTreeSet::from([one]));
}

#[test]
fn what_was_not_recorded_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let create = |inode, name| Record { path: path(name), ..record(Operation::Create, inode, "") };
    let mut disk = PowerLoss::new(directory.path());
    for record in [
        create(1, "a"),
        Record { path: path("a"), ..write(1, "", 0, b"abc") },
        create(2, "gone"),
        Record { path: path("b"), ..write(3, "", 0, b"b") },
    ] {
        disk.apply(&record);
    }
    std::fs::write(path("a"), "abx").unwrap();
    std::fs::write(path("b"), "b").unwrap();
    std::fs::write(path("c"), "").unwrap();
    let found = disk.differences(|_| false).unwrap();
    let expected = [
        Difference::Contents("a".into(), 2),
        Difference::Missing("gone".into()),
        Difference::Unrecorded("c".into()),
        Difference::Unseen("b".into()),
    ];
    assert_eq!(found, expected);
    assert_eq!(disk.differences(|_| true).unwrap(), []);
}

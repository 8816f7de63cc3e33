//! What goes in comes out the same.

use std::{
    ffi::OsStr,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, PermissionsExt, chown, lchown, symlink},
    },
};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, mknodat, setxattr, utimensat,
};

use super::*;
use crate::exec::tests::run_script;

/// Everything a tree can hold.
fn plant(root: &Path) {
    fs::create_dir(root).unwrap();
    let write = |name: &[u8], content: &[u8]| {
        fs::write(root.join(OsStr::from_bytes(name)), content).unwrap();
    };
    write(b"empty", b"");
    write(b"plain", &vec![7; 100_000]);
    write(b"exactly 512", &[1; 512]);
    write(b" odd \n\t\\ *\"'$(name)", b"odd");
    write(b"-rf", b"dash");
    write(b"latin\xe9 and \xff\xfe", b"bytes");
    write(&[b'l'; 255], b"longest");
    write(&[b'h'; 100], b"a hundred");
    write(&[b'g'; 99], b"less");
    fs::create_dir_all(root.join("deep/").join(["d"; 60].join("/")).join("x".repeat(200))).unwrap();
    fs::write(root.join("deep/d/d/file"), "below").unwrap();
    fs::create_dir(root.join("nothing in it")).unwrap();
    for (target, link) in [
        ("plain", "to plain"),
        ("/etc/passwd", "absolute"),
        ("../..//./up/", "not tidied"),
        ("nowhere", "dangling"),
        (&*"t".repeat(300), "far"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    fs::hard_link(root.join("plain"), root.join("plain too")).unwrap();
    fs::hard_link(root.join("plain"), root.join("deep/plain three")).unwrap();
    fs::hard_link(root.join("dangling"), root.join("dangling too")).unwrap();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    chown(root.join("plain"), Some(1234), Some(4_000_000_000)).unwrap();
    lchown(root.join("to plain"), Some(77), Some(78)).unwrap();
    let mode = |name: &str, mode| {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("plain", 0o4751);
    mode("empty", 0o000);
    mode("nothing in it", 0o1777);
    mode("deep", 0o500);
    // The first test directory may be on a file system without them.
    let _ = setxattr(root.join("-rf"), "user.kiln", b"\0\x01=value", XattrFlags::empty());
    for (name, seconds) in [("plain", 1_000_000_000), ("absolute", 2), ("deep", 1_234_567_890)] {
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, root.join(name), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// Without what no archive carries.
fn expected(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut census = census(root);
    assert!(census.remove(Path::new("socket")).is_some());
    census
}

#[tokio::test]
async fn a_tree_of_everything_is_the_same_on_the_other_side() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    plant(&machine.path("in"));
    let disk = machine.disk("out", 8 * MIB);
    let length = machine.carry(machine.pack("out", Format::Tar, "in")).await.unwrap();
    assert_eq!(length % 512, 0);
    assert_eq!(fs::metadata(&disk).unwrap().len(), 8 * MIB);
    let bytes = fs::read(&disk).unwrap();
    assert!(bytes[usize::try_from(length).unwrap()..].iter().all(|byte| *byte == 0));

    fs::copy(&disk, machine.disk("source", 8 * MIB)).unwrap();
    let order = machine.unpack("source", length, Format::Tar, "made/with/parents");
    assert!(machine.carry(order).await.unwrap() <= length);
    assert_eq!(census(&machine.path("made/with/parents")), expected(&machine.path("in")));

    // The same tree gives the same bytes, and so does its copy.
    let again = machine.disk("again", 8 * MIB);
    machine.carry(machine.pack("again", Format::Tar, "made/with/parents")).await.unwrap();
    assert!(fs::read(again).unwrap() == bytes);

    // Over what is there already.
    fs::copy(&disk, machine.disk("twice", 8 * MIB)).unwrap();
    machine.carry(machine.unpack("twice", length, Format::Tar, "made/with/parents")).await.unwrap();
    assert_eq!(census(&machine.path("made/with/parents")), expected(&machine.path("in")));
}

#[tokio::test]
async fn another_tar_reads_ours_and_ours_reads_another_tar() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    plant(&machine.path("in"));
    let disk = machine.disk("out", 8 * MIB);
    let length = machine.carry(machine.pack("out", Format::Tar, "in")).await.unwrap();
    fs::create_dir(machine.path("by tar")).unwrap();
    let root = machine.directory.path().display();
    run_script(&format!(
        "head -c {length} {} | tar -x -p --xattrs --xattrs-include=* -C '{root}/by tar'",
        disk.display()
    ))
    .await;
    assert_eq!(census(&machine.path("by tar")), expected(&machine.path("in")));

    for (serial, format) in [("gnu", "gnu"), ("pax", "posix --xattrs")] {
        let archive = machine.path(&format!("{serial}.tar"));
        // Sockets are not for archives, and it says so.
        run_script(&format!(
            "tar -c --format={format} --sparse -C {root}/in . > {} 2> /dev/null",
            archive.display()
        ))
        .await;
        machine.unpack_bytes(serial, &fs::read(archive).unwrap(), serial).await.unwrap();
        // The format of GNU has no attributes.
        let comparable = |mut census: BTreeMap<PathBuf, String>| {
            for told in census.values_mut().filter(|_| serial == "gnu") {
                told.truncate(told.find(" [").unwrap_or(told.len()));
            }
            census
        };
        let expected = comparable(expected(&machine.path("in")));
        assert_eq!(comparable(census(&machine.path(serial))), expected, "{format}");
    }
}

#[tokio::test]
async fn a_sparse_file_takes_what_its_data_takes() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    fs::create_dir(machine.path("in")).unwrap();
    let size = 1 << 30;
    let file = |path: &str| {
        let open = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(machine.path(path));
        open.unwrap()
    };
    let sparse = file("in/sparse");
    sparse.set_len(size).unwrap();
    for number in 0..60 {
        sparse.write_all_at(b"data", number * 16 * MIB + 5000).unwrap();
    }
    sparse.write_all_at(b"end", size - 3).unwrap();
    file("in/nothing but a hole").set_len(size).unwrap();
    let ends_in_hole = file("in/ends in a hole");
    ends_in_hole.write_all_at(b"start", 0).unwrap();
    ends_in_hole.set_len(size - 1).unwrap();
    let disk = machine.disk("out", MIB);
    let length = machine.carry(machine.pack("out", Format::Tar, "in")).await.unwrap();
    assert!(length < MIB / 2, "{length}");

    fs::copy(disk, machine.disk("source", 0)).unwrap();
    machine.carry(machine.unpack("source", length, Format::Tar, "made")).await.unwrap();
    for name in ["sparse", "nothing but a hole", "ends in a hole"] {
        let (from, to) = (file(&format!("in/{name}")), file(&format!("made/{name}")));
        let metadata = to.metadata().unwrap();
        assert_eq!(metadata.len(), from.metadata().unwrap().len());
        assert!(metadata.blocks() * 512 <= MIB, "{name}: {} blocks", metadata.blocks());
    }
    let made = file("made/sparse");
    let mut data = [0; 6];
    for number in 0..60 {
        made.read_exact_at(&mut data, number * 16 * MIB + 4999).unwrap();
        assert_eq!(&data, b"\0data\0");
    }
    made.read_exact_at(&mut data[..3], size - 3).unwrap();
    assert_eq!(&data[..3], b"end");
}

#[tokio::test]
async fn raw_bytes_are_one_file() {
    let machine = Machine::new();
    for (serial, size) in [("none", 0_usize), ("one", 1), ("odd", 1_000_003)] {
        let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
        fs::write(machine.path("file"), &bytes).unwrap();
        let disk = machine.disk(serial, 2 * MIB);
        let length = machine.carry(machine.pack(serial, Format::Raw, "file")).await.unwrap();
        assert_eq!(length, size as u64);
        let source = format!("{serial}-back");
        fs::copy(disk, machine.disk(&source, 0)).unwrap();
        let path = format!("made/{serial}/file");
        let order = machine.unpack(&source, length, Format::Raw, &path);
        assert_eq!(machine.carry(order).await.unwrap(), length);
        assert!(fs::read(machine.path(&path)).unwrap() == bytes);
    }
    // Shorter than what was there.
    fs::write(machine.path("old"), vec![1; 100]).unwrap();
    fs::write(machine.disk("new", 0), b"short").unwrap();
    machine.carry(machine.unpack("new", 5, Format::Raw, "old")).await.unwrap();
    assert_eq!(fs::read(machine.path("old")).unwrap(), b"short");
}

#[tokio::test]
async fn nothing_is_read_beyond_the_length() {
    let machine = Machine::new();
    fs::write(machine.disk("raw", 0), b"mine and another's").unwrap();
    machine.carry(machine.unpack("raw", 4, Format::Raw, "file")).await.unwrap();
    assert_eq!(fs::read(machine.path("file")).unwrap(), b"mine");

    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    archive.append_data(&mut header.clone(), "first", &b"first"[..]).unwrap();
    let length = archive.get_ref().len();
    archive.append_data(&mut header, "next", &b"other"[..]).unwrap();
    fs::write(machine.disk("tar", 0), archive.into_inner().unwrap()).unwrap();
    let end = machine.carry(machine.unpack("tar", length as u64, Format::Tar, "made")).await;
    assert_eq!(end.unwrap(), length as u64);
    assert!(machine.path("made/first").exists() && !machine.path("made/next").exists());
}

#[tokio::test]
async fn what_does_not_fit_or_is_not_there_is_said_in_words() {
    let machine = Machine::new();
    fs::create_dir(machine.path("in")).unwrap();
    fs::write(machine.path("in/file"), vec![1; 100_000]).unwrap();
    fs::write(machine.path("large"), vec![1; 100_000]).unwrap();
    for serial in ["a", "b", "c", "d", "e", "f", "g"] {
        machine.disk(serial, 65_536);
    }
    let end = machine.carry(machine.pack("a", Format::Tar, "in")).await;
    check_refused(&end, Reason::TooLarge, "more than the disk's 65536 bytes");
    let end = machine.carry(machine.pack("b", Format::Raw, "large")).await;
    check_refused(&end, Reason::TooLarge, "100000 bytes, more than the disk's 65536 bytes");
    assert_eq!(fs::metadata(machine.path("disks/a")).unwrap().len(), 65_536);
    let end = machine.carry(machine.pack("c", Format::Tar, "nowhere")).await;
    check_refused(&end, Reason::NotFound, "nowhere");
    let end = machine.carry(machine.pack("d", Format::Tar, "large")).await;
    check_refused(&end, Reason::NotFound, "is not a directory");
    let end = machine.carry(machine.pack("e", Format::Raw, "in")).await;
    check_refused(&end, Reason::NotFound, "is not a regular file");
    let end = machine.carry(machine.unpack("f", 65_537, Format::Tar, "made")).await;
    check_refused(&end, Reason::TooLarge, "65537 bytes, more than the disk's 65536 bytes");
    let end = machine.carry(machine.unpack("g", 10, Format::Tar, "large/below")).await;
    check_refused(&end, Reason::NotFound, "large/below");
    let end = machine.carry(machine.pack("no-such-disk", Format::Tar, "in")).await;
    check_refused(&end, Reason::Agent, "no-such-disk");
    // Exactly as large as the disk.
    machine.disk("fits", 100_000);
    assert_eq!(machine.carry(machine.pack("fits", Format::Raw, "large")).await, Ok(100_000));
}

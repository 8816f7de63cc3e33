//! Archives from whoever wants out, or wants everything.

use std::os::unix::fs::symlink;

use tar::{EntryType, Header};

use super::*;

/// An archive byte by byte: the crate's own builder would refuse most of it.
#[derive(Default)]
struct Archive(Vec<u8>);

impl Archive {
    fn entry(mut self, kind: EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        let mut header = header(kind, name, content.len() as u64);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str) -> Self {
        self.entry(EntryType::Regular, name, "", b"content")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, target, b"")
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn header(kind: EntryType, name: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    header
}

/// Unpacks beside a directory that must stay as it is.
async fn check(archive: Vec<u8>, reason: Reason, message: &str) {
    let machine = Machine::new();
    fs::create_dir_all(machine.path("outside/directory")).unwrap();
    fs::write(machine.path("outside/file"), "untouched").unwrap();
    fs::create_dir(machine.path("made")).unwrap();
    // Where archives of these tests lead by a name that they can know.
    symlink(machine.path("outside"), machine.path("made/planted before")).unwrap();
    let before = census(&machine.path("outside"));
    let end = machine.unpack_bytes("source", &archive, "made").await;
    check_refused(&end, reason, message);
    assert_eq!(census(&machine.path("outside")), before);
    let beside: Vec<_> = fs::read_dir(machine.directory.path()).unwrap().collect();
    assert_eq!(beside.len(), 3, "{beside:?}");
}

#[tokio::test]
async fn names_that_lead_out_are_refused() {
    for name in ["/etc/kiln-test", "../kiln-test", "a/../../kiln-test", "a/..", "/", "//x"] {
        let why = if name.starts_with('/') { "absolute name" } else { "has .. in its name" };
        check(Archive::default().file(name).end(), Reason::Invalid, why).await;
        let directory = Archive::default().entry(EntryType::Directory, name, "", b"");
        check(directory.end(), Reason::Invalid, why).await;
        let link = Archive::default().entry(EntryType::Link, "fine", name, b"");
        check(link.end(), Reason::Invalid, why).await;
    }
}

#[tokio::test]
async fn nothing_is_written_through_a_link_that_leads_out() {
    if !is_root() {
        return;
    }
    for target in ["..", "../outside", "/", "/tmp", "./../outside/../outside", "planted before"] {
        let archive = || Archive::default().link("l", target);
        let out = "would lead out";
        check(archive().file("l/file").end(), Reason::Invalid, out).await;
        check(archive().file("l/a/b/file").end(), Reason::Invalid, out).await;
        check(archive().link("l/link", "x").end(), Reason::Invalid, out).await;
        check(archive().entry(EntryType::Directory, "l/d", "", b"").end(), Reason::Invalid, out)
            .await;
        check(archive().entry(EntryType::Directory, "l", "", b"").end(), Reason::Invalid, out)
            .await;
        check(archive().entry(EntryType::Fifo, "l/f", "", b"").end(), Reason::Invalid, out).await;
        check(archive().entry(EntryType::Link, "x", "l/file", b"").end(), Reason::Invalid, out)
            .await;
        // By two links, each of which is fine.
        let twice = archive().link("m", "l").file("m/file");
        check(twice.end(), Reason::Invalid, out).await;
    }
    let archive = Archive::default().file("planted before/file").end();
    check(archive, Reason::Invalid, "would lead out").await;
    let dangling = Archive::default().link("l", "nowhere").file("l/file").end();
    check(dangling, Reason::Invalid, "no directory").await;
    let circle = Archive::default().link("a", "b").link("b", "a").file("a/file").end();
    check(circle, Reason::Invalid, "loop").await;
}

#[tokio::test]
async fn a_file_takes_the_place_of_a_link_and_of_nothing_behind_it() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    fs::write(machine.path("outside"), "untouched").unwrap();
    let outside = machine.path("outside");
    let archive = Archive::default()
        .link("l", "../outside")
        .file("l")
        // The directory was a link when it was last seen.
        .entry(EntryType::Directory, "real", "", b"")
        .link("d", "real")
        .file("d/one")
        .link("d", "..")
        .entry(EntryType::Regular, "c", "", b"first")
        .entry(EntryType::Link, "hard", "c", b"")
        .entry(EntryType::Regular, "hard", "", b"second")
        .end();
    machine.unpack_bytes("source", &archive, "made").await.unwrap();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    let made = |name: &str| fs::read_to_string(machine.path("made").join(name)).unwrap();
    assert_eq!((made("l"), made("real/one")), ("content".into(), "content".into()));
    assert!(fs::symlink_metadata(machine.path("made/l")).unwrap().is_file());
    // A name that was written anew is another file.
    assert_eq!((made("c"), made("hard")), ("first".into(), "second".into()));
    let next = Archive::default().file("d/two").end();
    let end = machine.unpack_bytes("next", &next, "made").await;
    check_refused(&end, Reason::Invalid, "would lead out");
}

#[tokio::test]
async fn what_a_source_may_not_bring_is_refused() {
    if !is_root() {
        return;
    }
    let one = |kind, link| Archive::default().entry(kind, "x", link, b"").end();
    check(one(EntryType::Char, ""), Reason::Invalid, "is a device").await;
    check(one(EntryType::Block, ""), Reason::Invalid, "is a device").await;
    check(one(EntryType::new(b'Q'), ""), Reason::Invalid, "unknown type").await;
    check(one(EntryType::Link, "missing"), Reason::Invalid, "cannot be made").await;
    check(one(EntryType::Link, ""), Reason::Invalid, "link to nothing").await;
    check(one(EntryType::Symlink, ""), Reason::Invalid, "link to nothing").await;
    let clash = Archive::default().entry(EntryType::Directory, "x", "", b"").file("x").end();
    check(clash, Reason::Invalid, "where a directory is").await;
    let below = Archive::default().file("x").file("x/y").end();
    check(below, Reason::Invalid, "no directory").await;
    let mut nobody = header(EntryType::Regular, "x", 0);
    nobody.set_uid(1 << 40);
    nobody.set_cksum();
    check(nobody.as_bytes().to_vec(), Reason::Invalid, "owner").await;
}

#[tokio::test]
async fn what_is_no_archive_is_said_to_be_none() {
    if !is_root() {
        return;
    }
    check(b"no archive".to_vec(), Reason::Invalid, "cannot be read").await;
    check(vec![0xff; 4096], Reason::Invalid, "cannot be read").await;
    let whole = Archive::default().entry(EntryType::Regular, "x", "", &[1; 3000]).end();
    for length in [100, 511, 600, 512 + 2999, 512 + 3000] {
        check(whole[..length].to_vec(), Reason::Invalid, "").await;
    }
    let mut broken = whole.clone();
    broken[0] ^= 1;
    check(broken, Reason::Invalid, "checksum").await;
    let records = b"20 SCHILY.xattr.a=\n\n";
    let malformed = Archive::default().entry(EntryType::XHeader, "p", "", records).file("x").end();
    check(malformed, Reason::Invalid, "malformed").await;
}

#[tokio::test]
async fn what_describes_an_entry_is_bounded_in_memory() {
    if !is_root() {
        return;
    }
    let long = vec![b'a'; MAX_DESCRIPTION + 1024];
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let archive = Archive::default().entry(kind, "long", "", &long).file("x").end();
        check(archive, Reason::Invalid, "too long").await;
    }
    // A name that claims to be longer than any disk.
    let mut claim = header(EntryType::GNULongName, "long", 1 << 60);
    claim.set_cksum();
    let archive = [claim.as_bytes().to_vec(), long].concat();
    check(archive, Reason::Invalid, "too long").await;
    // What fits, and what no file system has.
    let archive = Archive::default().entry(EntryType::GNULongName, "long", "", &[b'a'; 300]);
    check(archive.file("x").end(), Reason::Invalid, "too long a name").await;
    let deep = "d/".repeat(3000);
    let archive = Archive::default().entry(EntryType::GNULongName, "long", "", deep.as_bytes());
    check(archive.file("x").end(), Reason::Invalid, "too long a name").await;
}

/// As the disk's own test of the same name has it.
const MAX_DESCRIPTION: usize = 4 * 1024 * 1024;

#[tokio::test]
async fn a_hole_larger_than_any_file_is_no_work() {
    if !is_root() {
        return;
    }
    for size in [1 << 62, 8_u64 << 50] {
        let mut header = header(EntryType::GNUSparse, "hole", 0);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(size);
        gnu.sparse[0].set_offset(size);
        gnu.sparse[0].set_length(0);
        header.set_cksum();
        let began = std::time::Instant::now();
        check(header.as_bytes().to_vec(), Reason::DiskFull, "no room").await;
        assert!(began.elapsed().as_secs() < 5);
    }
    let mut claim = header(EntryType::Regular, "large", 1 << 60);
    claim.set_cksum();
    check(claim.as_bytes().to_vec(), Reason::DiskFull, "no room").await;
}

#[tokio::test]
async fn a_global_header_makes_nothing_and_links_within_are_followed() {
    if !is_root() {
        return;
    }
    let machine = Machine::new();
    let comment = b"14 comment=git\n";
    let archive = Archive::default()
        .entry(EntryType::XGlobalHeader, "pax_global_header", "", comment)
        .entry(EntryType::Directory, "./", "", b"")
        .entry(EntryType::Directory, "usr/lib", "", b"")
        .link("lib", "usr/lib")
        .file("lib/x")
        .entry(EntryType::Directory, "lib/", "", b"")
        .file("lib/y")
        .end();
    machine.unpack_bytes("source", &archive, "made").await.unwrap();
    assert!(machine.path("made/usr/lib/y").is_file());
    assert!(fs::symlink_metadata(machine.path("made/lib")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(machine.path("made")).unwrap().count(), 2);
}

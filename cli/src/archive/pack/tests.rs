use std::{
    fs,
    io::{self, Seek},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
};

use kiln_archive::Limits;

use super::*;
use crate::archive::{Links, unpack, unpack::tests::memory::peak_of};

fn packed(directory: &Path) -> Result<(Vec<u8>, Vec<String>), PackError> {
    let (mut archive, mut warnings) = (Vec::new(), Vec::new());
    pack(directory, &mut archive, |warning| warnings.push(warning))?;
    Ok((archive, warnings))
}

fn tree() -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    let at = |path: &str| base.path().join(path);
    fs::create_dir_all(at("z/empty")).unwrap();
    fs::write(at("z/file"), [7; 1000]).unwrap();
    fs::write(at("a"), "").unwrap();
    fs::write(at("run"), "#!/bin/sh").unwrap();
    fs::set_permissions(at("run"), fs::Permissions::from_mode(0o4755)).unwrap();
    symlink("z/file", at("link")).unwrap();
    symlink("/nowhere", at("dangling")).unwrap();
    fs::hard_link(at("z/file"), at("second")).unwrap();
    let long = "long".repeat(40);
    fs::write(at(&long), "long").unwrap();
    symlink(&long, at("to-long")).unwrap();
    base
}

#[test]
fn a_tree_is_packed_as_it_is_and_always_the_same() {
    let base = tree();
    std::os::unix::net::UnixListener::bind(base.path().join("socket")).unwrap();
    let (archive, warnings) = packed(base.path()).unwrap();
    assert_eq!(warnings, ["socket is left out: it is a socket"]);
    assert!(archive == packed(base.path()).unwrap().0, "two packs differ");
    let mut read = tar::Archive::new(&archive[..]);
    let members: Vec<_> = read
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().to_vec()).unwrap();
            let link =
                entry.link_name_bytes().map(|link| String::from_utf8(link.to_vec()).unwrap());
            let kind = char::from(entry.header().entry_type().as_byte());
            (kind, name, link.unwrap_or_default())
        })
        .collect();
    let long = "long".repeat(40);
    let expected = [
        ('0', "a", ""),
        ('2', "dangling", "/nowhere"),
        ('2', "link", "z/file"),
        ('0', &long, ""),
        ('0', "run", ""),
        ('0', "second", ""),
        ('2', "to-long", &long),
        ('5', "z/", ""),
        ('5', "z/empty/", ""),
        ('1', "z/file", "second"),
    ];
    let expected = expected.map(|(kind, name, link)| (kind, name.to_owned(), link.to_owned()));
    assert_eq!(members, expected);
    let mut read = tar::Archive::new(&archive[..]);
    let run = read.entries().unwrap().map(Result::unwrap).find(|e| &*e.path_bytes() == b"run");
    let (run, metadata) = (run.unwrap(), base.path().join("run").metadata().unwrap());
    assert_eq!(run.header().mode().unwrap(), 0o4755);
    assert_eq!(run.header().uid().unwrap(), u64::from(metadata.uid()));
    assert_eq!(run.header().mtime().unwrap().cast_signed(), metadata.mtime());
}

#[test]
fn what_is_packed_can_be_unpacked() {
    let base = tree();
    fs::remove_file(base.path().join("dangling")).unwrap();
    let (archive, _) = packed(base.path()).unwrap();
    let dest = tempfile::tempdir().unwrap();
    let limits = Limits::of_length(archive.len() as u64);
    unpack(&archive[..], dest.path(), limits, Links::Inside, |warning| panic!("{warning}"))
        .unwrap();
    let (mut again, _) = packed(dest.path()).unwrap();
    // Its setuid bit is all that is lost.
    fs::set_permissions(base.path().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    let (archive, _) = packed(base.path()).unwrap();
    assert!(again == archive, "something else came out");
    again.clear();
}

/// Changes a file while it is packed, when its first bytes have gone out.
struct Meddler<F> {
    into: Vec<u8>,
    meddle: Option<F>,
}

impl<F: FnOnce()> Write for Meddler<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Behind the header.
        if self.into.len() > 512
            && let Some(meddle) = self.meddle.take()
        {
            meddle();
        }
        self.into.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_that_changes_is_an_error() {
    let meddled = |meddle: fn(&mut File)| {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("file");
        fs::write(&path, vec![1; 300 << 10]).unwrap();
        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let meddler = Meddler { into: Vec::new(), meddle: Some(move || meddle(&mut file)) };
        pack(base.path(), meddler, drop)
    };
    let shrunk = meddled(|file| file.set_len(200 << 10).unwrap());
    assert!(matches!(shrunk, Err(PackError::Shrank { .. })), "{shrunk:?}");
    let grown = meddled(|file| {
        file.seek(io::SeekFrom::End(0)).unwrap();
        file.write_all(b"more").unwrap();
    });
    assert!(matches!(grown, Err(PackError::Grew { .. })), "{grown:?}");
}

#[test]
fn a_quarter_of_a_gigabyte_goes_through_in_little_memory() {
    const LENGTH: u64 = 256 << 20;
    let base = tempfile::tempdir().unwrap();
    let file = File::create(base.path().join("holes")).unwrap();
    file.set_len(LENGTH).unwrap();
    let (from, into) = io::pipe().unwrap();
    let path = base.path().to_owned();
    let packer = std::thread::spawn(move || peak_of(|| pack(&path, into, drop)));
    let dest = tempfile::tempdir().unwrap();
    let limits = Limits::of_length(LENGTH + 4096);
    let (unpacked, memory) = peak_of(|| unpack(from, dest.path(), limits, Links::Inside, drop));
    unpacked.unwrap();
    let (packed, packer_memory) = packer.join().unwrap();
    packed.unwrap();
    assert_eq!(dest.path().join("holes").metadata().unwrap().len(), LENGTH);
    assert!(memory < 1 << 20 && packer_memory < 1 << 20, "{memory} {packer_memory}");
}

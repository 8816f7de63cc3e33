use std::io;

use bytes::Bytes;
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

use super::{
    Archive, END, InvalidLayout,
    archive::{Entry, Kind},
    directory, file, padding,
};
use crate::content::Chunks;

/// In pieces of so many bytes.
struct Pieces(Bytes, usize);

impl futures_core::Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let length = self.1.min(self.0.len());
        std::task::Poll::Ready((length > 0).then(|| Ok(self.0.split_to(length))))
    }
}

fn chunks(bytes: impl Into<Bytes>, piece: usize) -> Chunks {
    Box::pin(Pieces(bytes.into(), piece))
}

type Found = Vec<(Entry, Bytes)>;

fn read(bytes: impl Into<Bytes>, piece: usize) -> Result<Found, InvalidLayout> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut archive = Archive::new(chunks(bytes, piece));
        let mut found = Vec::new();
        while let Some(entry) = archive.next().await? {
            found.push((entry, archive.whole(1 << 20).await?));
        }
        Ok(found)
    })
}

fn entry(path: &str, content: &[u8], kind: EntryType) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_path(path).unwrap();
    header.set_size(content.len() as u64);
    header.set_entry_type(kind);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.extend_from_slice(&padding(content.len() as u64));
    bytes
}

fn words(result: Result<Found, InvalidLayout>) -> String {
    result.expect_err("read").to_string()
}

#[test]
fn reads_what_is_written() {
    let mut bytes = directory("blobs/").to_vec();
    for (path, content) in [("blobs/one", &b"1"[..]), ("blobs/none", b""), ("two", &[2; 512])] {
        bytes.extend_from_slice(&file(path, content.len() as u64));
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(&padding(content.len() as u64));
    }
    bytes.extend_from_slice(&END);
    assert_eq!(bytes.len() % 512, 0);
    for piece in [1, 7, 512, 1 << 20] {
        let found = read(bytes.clone(), piece).unwrap();
        let paths: Vec<_> = found.iter().map(|(entry, _)| entry.path.as_str()).collect();
        assert_eq!(paths, ["blobs", "blobs/one", "blobs/none", "two"]);
        assert_eq!(found[3].1, [2; 512].as_slice());
    }
    let paths: Vec<_> = tar::Archive::new(&bytes[..])
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(paths, ["blobs/", "blobs/one", "blobs/none", "two"]);
}

#[test]
fn what_other_programs_add() {
    let mut builder = Builder::new(Vec::new());
    builder.append_pax_extensions([("mtime", &b"1.5"[..]), ("path", b"./blobs/long")]).unwrap();
    let mut header = Header::new_ustar();
    header.set_size(1);
    header.set_cksum();
    builder.append_data(&mut header.clone(), "short", &b"x"[..]).unwrap();
    let long = format!("{}/layer.tar", "d".repeat(200));
    let mut gnu = Header::new_gnu();
    gnu.set_size(1);
    builder.append_data(&mut gnu, &long, &b"y"[..]).unwrap();
    let mut link = Header::new_gnu();
    link.set_entry_type(EntryType::Symlink);
    link.set_size(0);
    builder.append_link(&mut link, "b/layer.tar", "../a/layer.tar").unwrap();
    builder.append_link(&mut link, "c/layer.tar", "../../../etc/passwd").unwrap();
    let found = read(builder.into_inner().unwrap(), 100).unwrap();
    let paths: Vec<_> = found.iter().map(|(entry, _)| entry.path.clone()).collect();
    assert_eq!(paths, ["blobs/long", &long, "b/layer.tar", "c/layer.tar"]);
    assert_eq!(found[2].0.kind, Kind::Link { to: "a/layer.tar".into() });
    assert_eq!(found[3].0.kind, Kind::Link { to: String::new() });
}

#[test]
fn what_is_no_tar() {
    assert!(words(read(&b""[..], 1)).contains("too short"));
    assert!(words(read(&b"<html>"[..], 1)).contains("too short"));
    assert!(words(read(vec![b'x'; 2048], 100)).contains("not a tar"));
    for (magic, name) in
        [(&b"\x1f\x8b"[..], "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ", "xz")]
    {
        let mut bytes = magic.to_vec();
        bytes.resize(1024, 7);
        let words = words(read(bytes, 100));
        assert!(words.contains(name) && words.contains("decompress it first"), "{words}");
    }
}

#[test]
fn an_end_in_the_middle() {
    let whole = [entry("a", &[1; 700], EntryType::Regular), END.to_vec()].concat();
    assert!(read(whole.clone(), 9).is_ok());
    for length in [513, 1000, 512 + 700, 512 + 1024, 512 + 1024 + 3] {
        assert!(
            words(read(whole[..length].to_vec(), 9)).contains("ends in the middle"),
            "{length}"
        );
    }
}

#[test]
fn hostile_entries() {
    let device = entry("dev", b"", EntryType::Char);
    assert!(words(read(device, 512)).contains("devices"));
    let full = entry("dir", b"content", EntryType::Directory);
    assert!(words(read(full, 512)).contains("what is no file has content"));
    let name = entry("x", &vec![b'n'; 1 << 20], EntryType::GNULongName);
    assert!(words(read(name, 4096)).contains("at most 65536"));
    let control = entry("x", b"a\nb", EntryType::GNULongName);
    assert!(
        words(read([control, entry("y", b"", EntryType::Regular)].concat(), 512))
            .contains("control")
    );
    let negative = entry("x", b"11 size=-1\n", EntryType::XHeader);
    assert!(
        words(read([negative, entry("y", b"", EntryType::Regular)].concat(), 512)).contains("none")
    );
    let huge = entry("x", b"29 size=18446744073709551615\n", EntryType::XHeader);
    assert!(
        words(read([huge, entry("y", b"", EntryType::Regular)].concat(), 512)).contains("at most")
    );
    let mut flipped = entry("x", b"", EntryType::Regular);
    flipped[0] ^= 1;
    assert!(words(read(flipped, 512)).contains("checksum"));
    let many = entry("x", b"", EntryType::Regular).repeat(70_000);
    assert!(words(read(many, 1 << 20)).contains("more than 65536 entries"));
}

proptest! {
    #[test]
    fn bytes_are_read_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..2048), piece in 1..600_usize,
    ) {
        drop(read(bytes, piece));
    }

    #[test]
    fn headers_with_a_flaw_are_read_without_a_panic(
        at in 0..512_usize, byte in any::<u8>(), kind in any::<u8>(), piece in 1..600_usize,
    ) {
        let mut bytes = entry("a", b"12 size=3\n", EntryType::new(kind));
        bytes[at] = byte;
        let mut header = Header::from_byte_slice(&bytes[..512]).clone();
        header.set_cksum();
        bytes[..512].copy_from_slice(header.as_bytes());
        bytes.extend(entry("b", b"content", EntryType::Regular));
        drop(read(bytes, piece));
    }
}

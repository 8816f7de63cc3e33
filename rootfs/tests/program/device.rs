//! An image on one device, and what comes of it on another, as in a machine that converts it.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
};

use kiln_forge::Forge;
use kiln_rootfs::{Compression, Digest};
use serde_json::Value;

use crate::{
    loops::Loop,
    picture::{Form, Hung, Picture},
    program::{convert, converted},
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("device::an_image_is_read_from_one", an_image_is_read_from_one),
    (
        "device::what_is_written_is_what_a_file_would_have",
        what_is_written_is_what_a_file_would_have,
    ),
    ("device::one_that_is_too_small_is_refused", one_that_is_too_small_is_refused),
    ("device::what_stands_behind_an_image_is_no_image", what_stands_behind_an_image_is_no_image),
];

const DISK: usize = 24 << 20;
/// What a disk held before.
const OLD: u8 = 0xee;

fn picture() -> Picture {
    let lower = Forge::default().member(b'0', "a", "", 0o644, &vec![7; 3 << 20]);
    let upper = Forge::default().member(b'0', "b", "", 0o4755, b"two");
    Picture::of(vec![lower.end(), upper.end()]).packed(&[Compression::Plain, Compression::Zstd])
}

/// A disk of the image's bytes and zeros.
fn image(hung: &Hung) -> Loop {
    let file = File::options().write(true).open(hung.image()).unwrap();
    file.set_len(DISK as u64).unwrap();
    Loop::of(&hung.image())
}

fn disk(hung: &Hung, size: usize) -> Loop {
    let path = hung.at("disk");
    fs::write(&path, vec![OLD; size]).unwrap();
    Loop::of(&path)
}

/// What came of it, as the metadata has it.
fn told(image: &Path, output: &Path, hung: &Hung, options: &[&str]) -> Value {
    let metadata = hung.at("metadata");
    let with = ["--metadata", metadata.to_str().unwrap()];
    converted(image, output, &[&with, options].concat());
    serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap()
}

fn an_image_is_read_from_one() {
    for form in [Form::Archive, Form::Docker] {
        let hung = picture().form(form).hang();
        let (file, from_device) = (hung.at("file"), hung.at("from-device"));
        let expected = told(&hung.image(), &file, &hung, &[]);
        let device = image(&hung);
        assert_eq!(told(device.path(), &from_device, &hung, &[]), expected, "{form:?}");
        assert!(fs::read(file).unwrap() == fs::read(from_device).unwrap(), "{form:?}");
    }
}

fn what_is_written_is_what_a_file_would_have() {
    let hung = picture().form(Form::Archive).hang();
    let (file, device) = (hung.at("file"), disk(&hung, DISK));
    for options in [
        &[][..],
        &["--format", "tar"],
        &["--compress", "gzip"],
        &["--format", "tar", "--compress", "zstd"],
    ] {
        device.open().write_all_at(&vec![OLD; DISK], 0).unwrap();
        let expected = told(&hung.image(), &file, &hung, options);
        assert_eq!(told(&hung.image(), device.path(), &hung, options), expected, "{options:?}");
        let (bytes, expected_bytes) = (fs::read(device.path()).unwrap(), fs::read(&file).unwrap());
        let (written, behind) = bytes.split_at(expected_bytes.len());
        assert!(written == expected_bytes, "{options:?}");
        assert!(behind.iter().all(|byte| *byte == OLD), "{options:?}");
        assert_eq!(expected["size"], written.len(), "{options:?}");
        assert_eq!(expected["digest"], Digest::of(written).to_string(), "{options:?}");
    }
}

fn one_that_is_too_small_is_refused() {
    let hung = picture().form(Form::Archive).hang();
    let device = disk(&hung, 2 << 20);
    for (options, words) in [
        (&[][..], "cannot make the file system: the device has 2097152 bytes, the file system "),
        (&["--format", "tar"], "cannot make the file system: cannot "),
    ] {
        let refused = convert(&hung.image(), device.path(), options);
        assert_eq!(refused.code, Some(1), "{options:?}");
        let expected = format!("kiln-rootfs: {words}");
        assert!(refused.error.starts_with(&expected), "{}", refused.error);
        assert_eq!(refused.error.lines().count(), 1, "{}", refused.error);
    }
}

fn what_stands_behind_an_image_is_no_image() {
    let hung = picture().form(Form::Archive).hang();
    let device = image(&hung);
    device.open().write_all_at(b"more", DISK as u64 - 4096).unwrap();
    let refused = convert(device.path(), &hung.at("out"), &[]);
    let words = "kiln-rootfs: cannot open the image: the image's archive cannot be read: something \
        stands behind the end of the archive\n";
    assert_eq!((refused.code, &*refused.error), (Some(1), words));
    let empty = disk(&hung, 1 << 20);
    let refused = convert(empty.path(), &hung.at("out"), &[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.error.contains("not an image"), "{}", refused.error);
}

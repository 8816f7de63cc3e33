//! What a file system is written to, and what becomes of it when that fails.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
};

use crate::ext4::{Free, Options, Plan, Size, WriteError};

use super::{
    image::{Image, options},
    plot::Plot,
};

fn planted() -> Plot {
    let mut plot = Plot::new();
    plot.file("etc/hostname", b"kiln\n");
    plot.file("zeros", &[0; 10_000]);
    plot
}

fn sized() -> Options {
    Options { size: Size::Fitted(Free::Bytes(8 << 20)), ..options() }
}

#[test]
fn what_a_file_held_before_is_gone() {
    let plot = planted();
    let expected = Image::of(&plot, &sized()).bytes();
    let plan = Plan::of(&plot.tree, &sized()).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![0xee; expected.len() + 10_000]).unwrap();
    let written = plan.write(&plot.store, &file).unwrap();
    let mut bytes = Vec::new();
    let mut file = file;
    std::io::Seek::rewind(&mut file).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert!(bytes == expected);
    // Of the journal and of files of zeros nothing was written.
    assert!(written.bytes < 256 << 10, "{written:?}");
}

#[test]
fn what_is_neither_is_refused() {
    let plot = planted();
    let plan = Plan::of(&plot.tree, &options()).unwrap();
    let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
    assert!(matches!(plan.write(&plot.store, &null).unwrap_err(), WriteError::Kind));
}

#[test]
fn bytes_that_are_not_there_are_named() {
    let mut plot = planted();
    let id = plot.file("usr/short", b"not all of it");
    if let crate::tree::Kind::File(content) = &mut plot.tree.node_mut(id).kind {
        content.pieces[0].length += 1;
        content.size += 1;
    }
    let plan = Plan::of(&plot.tree, &options()).unwrap();
    let failed = plan.write(&plot.store, &tempfile::tempfile().unwrap()).unwrap_err();
    assert_eq!(failed.to_string(), "cannot read what belongs to /usr/short");
}

#[test]
fn a_file_that_cannot_be_written_says_so() {
    let plot = planted();
    let plan = Plan::of(&plot.tree, &options()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let failed = plan.write(&plot.store, &File::open(file.path()).unwrap()).unwrap_err();
    assert!(matches!(failed, WriteError::Write(_)), "{failed}");
}

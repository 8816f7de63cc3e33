//! What stands in one layer.

use kiln_gallery::contents;

use super::{ALL, HOLLOW, Test};
use crate::comparison::{Reader, check};

pub(crate) const TESTS: &[Test] = &[
    ("gallery::contents::every_kind_of_file", ALL, every_kind_of_file),
    ("gallery::contents::names_that_are_no_text", ALL, names_that_are_no_text),
    (
        "gallery::contents::attributes_lists_and_capabilities",
        ALL,
        attributes_lists_and_capabilities,
    ),
    ("gallery::contents::owners_and_times", ALL, owners_and_times),
    ("gallery::contents::files_with_holes", HOLLOW, files_with_holes),
    ("gallery::contents::a_file_of_more_than_4_gib", HOLLOW, a_file_of_more_than_4_gib),
    ("gallery::contents::a_directory_of_many_names", ALL, a_directory_of_many_names),
];

fn every_kind_of_file(reader: Reader) {
    let read = check(reader, &contents::every_kind_of_file());
    assert_eq!(read.fact("/dev/disk").kind, "block 259 70000");
    assert_eq!(read.fact("/linked").first, read.fact("/file").first);
    assert_eq!(read.0.len(), 19);
}

fn names_that_are_no_text(reader: Reader) {
    let deep = vec!["directory-of-a-long-name"; 100].join("/");
    let read = check(reader, &contents::names_that_are_no_text());
    assert_eq!(read.fact("/new\nline").kind.split(' ').nth(1), Some("8"));
    assert_eq!(read.fact("/link").kind, "link ff0a");
    assert!(read.find(&format!("/{deep}")).is_some());
}

fn attributes_lists_and_capabilities(reader: Reader) {
    let read = check(reader, &contents::attributes_lists_and_capabilities());
    assert_eq!(read.fact("/many-too").attributes.len(), 4);
    assert_eq!(read.fact("/inherited").attributes.len(), 2);
}

fn owners_and_times(reader: Reader) {
    let read = check(reader, &contents::owners_and_times());
    assert_eq!(read.fact("/file-1").modified, (-86_401, 750_000_000));
    assert_eq!(read.fact("/large").owner, (4_294_967_294, 3_000_000_000));
    assert_eq!(read.fact("/named").owner, (1000, 1000));
}

fn files_with_holes(reader: Reader) {
    check(reader, &contents::files_with_holes());
}

fn a_file_of_more_than_4_gib(reader: Reader) {
    let read = check(reader, &contents::a_file_of_more_than_4_gib());
    assert!(read.fact("/large").kind.starts_with(&format!("file {} ", (5_u64 << 30) + 12_345)));
}

fn a_directory_of_many_names(reader: Reader) {
    let read = check(reader, &contents::a_directory_of_many_names());
    assert_eq!(read.0.len(), 1502);
}

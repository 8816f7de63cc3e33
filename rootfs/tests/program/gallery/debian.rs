//! Packages of the machine that a test runs on.

use kiln_gallery::debian;

use super::{ALL, Test};
use crate::comparison::{Reader, check};

pub(crate) const TESTS: &[Test] = &[
    ("gallery::debian::packages_of_debian", ALL, packages_of_debian),
    ("gallery::debian::a_busybox_with_its_names", ALL, a_busybox_with_its_names),
    ("gallery::debian::one_static_program_alone", ALL, one_static_program_alone),
];

fn packages_of_debian(reader: Reader) {
    let read = check(reader, &debian::packages_of_debian());
    assert_eq!(read.fact("/usr/bin/passwd").mode, 0o4755);
    assert!(read.find("/usr/share/doc").is_none());
    assert!(read.0.len() > 400, "{}", read.0.len());
}

fn a_busybox_with_its_names(reader: Reader) {
    let read = check(reader, &debian::a_busybox_with_its_names());
    assert_eq!(read.fact("/bin/ls").first, read.fact("/bin/busybox").first);
}

fn one_static_program_alone(reader: Reader) {
    assert_eq!(check(reader, &debian::one_static_program_alone()).0.len(), 2);
}

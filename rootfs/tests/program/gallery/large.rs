//! Systems as they are deployed, and images of many files.

use kiln_gallery::{contents, debian};

use super::{ALL, Test};
use crate::comparison::{Reader, check};

pub(crate) const TESTS: &[Test] = &[
    ("gallery::large::a_system_with_systemd", ALL, a_system_with_systemd),
    ("gallery::large::two_hundred_thousand_files", ALL, two_hundred_thousand_files),
];

fn a_system_with_systemd(reader: Reader) {
    let read = check(reader, &debian::a_system_with_systemd());
    assert!(read.find("/usr/lib/systemd/systemd").is_some());
    assert!(read.0.len() > 3000, "{}", read.0.len());
}

fn two_hundred_thousand_files(reader: Reader) {
    let read = check(reader, &contents::two_hundred_thousand_files());
    assert_eq!(read.0.len(), 1 + 400 + 200_000);
    assert!(read.find("/d399/file-499").is_some());
}

//! Images that hold what images hold: what comes of each is what its layers say.

mod contents;
mod debian;
mod large;
mod stacks;

use crate::comparison::Reader;

/// Who can read what comes of it.
pub(crate) type Test = (&'static str, &'static [Reader], fn(Reader));

pub(crate) const TESTS: [&[Test]; 3] = [contents::TESTS, debian::TESTS, stacks::TESTS];
/// They take minutes.
pub(crate) const LARGE: &[Test] = large::TESTS;

const ALL: &[Reader] = &[Reader::Programs, Reader::Kernel, Reader::Umoci];
/// umoci knows no files with holes.
const HOLLOW: &[Reader] = &[Reader::Programs, Reader::Kernel];

//! From an image to its tree: what every kind of layer and image becomes, and what the ugly ones do not.
//!
//! What takes root is reported as not run for others; a program that is missing is a failure.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod bombs;
mod converted;
mod images;
mod links;
mod many;
mod oddities;
mod play;
mod program;
mod reading;
mod seeded;
mod skopeo;
mod special;
mod traversal;
mod umoci;
mod whiteouts;
mod writers;

use std::process::ExitCode;

use kiln_gallery::layout;
use libtest_mimic::{Arguments, Trial};

type Test = (&'static str, fn());

const TESTS: [&[Test]; 10] = [
    bombs::TESTS,
    images::TESTS,
    links::TESTS,
    many::TESTS,
    oddities::TESTS,
    seeded::TESTS,
    skopeo::TESTS,
    special::TESTS,
    traversal::TESTS,
    whiteouts::TESTS,
];
/// They make devices, and files of other owners.
const ROOT: [&[Test]; 2] = [umoci::ROOT, writers::ROOT];

fn main() -> ExitCode {
    let missing = (!rustix::process::geteuid().is_root()).then_some("needs root");
    let plain = TESTS.into_iter().flatten().map(|test| trial(test, None));
    let root = ROOT.into_iter().flatten().map(|test| trial(test, missing));
    libtest_mimic::run(&Arguments::from_args(), plain.chain(root).collect()).exit_code()
}

fn trial(&(name, test): &Test, missing: Option<&str>) -> Trial {
    let trial = Trial::test(name, move || {
        test();
        Ok(())
    });
    // Its kind is shown with its name.
    trial.with_kind(missing.unwrap_or_default()).with_ignored_flag(missing.is_some())
}

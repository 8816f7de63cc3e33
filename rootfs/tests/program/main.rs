//! The program: what it makes of images, in the words and with the files that a user gets.
//!
//! What takes root and loop devices is reported as not run where they are missing; a program that is
//! missing is a failure.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod comparison;
mod device;
mod faults;
mod gallery;
mod loops;
mod options;
mod program;
mod reading;
mod sameness;
mod ugly;

use std::process::ExitCode;

use kiln_gallery::{layout, picture};
use libtest_mimic::{Arguments, Trial};

use self::comparison::Reader;

type Test = (&'static str, fn());

const TESTS: [&[Test]; 7] = [
    faults::TESTS,
    options::TESTS,
    options::content::TESTS,
    options::file::TESTS,
    options::output::TESTS,
    sameness::TESTS,
    ugly::TESTS,
];
const ROOT: [&[Test]; 3] = [device::TESTS, faults::ROOT, sameness::ROOT];

fn main() -> ExitCode {
    let missing = loops::missing();
    let plain = TESTS.into_iter().flatten().map(|(name, test)| trial(name, None, *test));
    let root = ROOT.into_iter().flatten().map(|(name, test)| trial(name, missing, *test));
    let pictures = |tests: &'static [gallery::Test], why_not: Option<&'static str>| {
        tests.iter().flat_map(move |(name, readers, test)| {
            readers.iter().map(move |reader| {
                let missing = why_not.or(missing.filter(|_| *reader != Reader::Programs));
                trial(&format!("{name}, read by {reader}"), missing, || test(*reader))
            })
        })
    };
    let is_full = std::env::var_os("KILN_FULL").is_some_and(|value| value == "1");
    let large = pictures(gallery::LARGE, (!is_full).then_some("runs with --full"));
    let pictures = gallery::TESTS.into_iter().flat_map(|tests| pictures(tests, None));
    let trials = plain.chain(root).chain(pictures).chain(large).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &str, missing: Option<&'static str>, test: impl FnOnce() + Send + 'static) -> Trial {
    let trial = Trial::test(name, move || {
        test();
        Ok(())
    });
    // Its kind is shown with its name.
    trial.with_kind(missing.unwrap_or_default()).with_ignored_flag(missing.is_some())
}

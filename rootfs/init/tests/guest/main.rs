//! The init as process 1, in process, mount, host, network and control group namespaces of each test's
//! own, on a root in memory. What its end asks of the kernel ends the namespace and nothing else. All of
//! it takes root and busybox (Debian's busybox-static): without them there is nothing to see.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod command;
mod ending;
mod machine;
mod observer;
mod stage;
mod surroundings;
mod user;

use std::{path::Path, process::ExitCode};

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().collect();
    if let [_, word, address, directory] = &*words
        && word == observer::WORD
    {
        observer::watch(address, directory.as_ref());
        return ExitCode::SUCCESS;
    }
    let missing = stage::missing(Path::new("/usr/bin/busybox"));
    let tests = [
        command::TESTS,
        ending::TESTS,
        machine::TESTS,
        observer::TESTS,
        surroundings::TESTS,
        user::TESTS,
    ];
    let trials = tests.into_iter().flatten().map(|(name, test)| {
        let trial = Trial::test(*name, move || {
            test();
            Ok(())
        });
        // Its kind is shown with its name.
        trial.with_kind(missing.unwrap_or_default()).with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

//! Every file system as this machine's kernel reads it, goes on with it, and finds it on a device. All of it
//! takes root and loop devices: for others there is nothing to see.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod device;
#[path = "../../src/ext4/tests/image.rs"]
mod image;
#[path = "../program/loops.rs"]
mod loops;
mod mounted;
#[path = "../../src/ext4/tests/plot.rs"]
mod plot;
#[path = "../../src/ext4/tests/plots.rs"]
mod plots;
#[path = "../../src/ext4/tests/random.rs"]
mod random;
mod trees;

use std::process::ExitCode;

use kiln_rootfs::{
    Content, Kind, Metadata, Node, NodeId, Piece, Store, Time, Tree,
    ext4::{Options, Plan, Usage},
};
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let missing = loops::missing();
    let trials = [device::TESTS, trees::TESTS].into_iter().flatten().map(|(name, test)| {
        let trial = Trial::test(*name, move || {
            test();
            Ok(())
        });
        // Its kind is shown with its name.
        trial.with_kind(missing.unwrap_or_default()).with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

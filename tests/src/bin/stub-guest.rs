//! What `kiln_tests::stub` runs in place of a virtual machine.

use clap::Parser as _;
use kiln_tests::stub::guest::{Arguments, run};

fn main() -> anyhow::Result<()> {
    run(Arguments::parse())
}

//! Stories about guests, told by the real daemon and the real command line. The module that holds a
//! story is the part of Kiln that it is about.

mod agent;
mod boot;
mod cancel;
mod daemon;
mod detach;
mod disks;
mod golden;
mod image;
mod input;
mod limits;
mod loss;
mod run;
mod streams;
mod survival;
mod terminal;

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let stories = [
        run::stories(),
        streams::stories(),
        limits::stories(),
        cancel::stories(),
        detach::stories(),
        disks::stories(),
        terminal::stories(),
        input::stories(),
        daemon::stories(),
        survival::stories(),
        image::stories(),
        loss::stories(),
        golden::stories(),
        agent::stories(),
        boot::stories(),
    ];
    let told = kiln_tests::tell(stories.concat())?;
    agent::close()?;
    Ok(told.exit_code())
}

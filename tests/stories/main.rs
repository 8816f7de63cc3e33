//! Stories about guests, told by the real daemon and the real command line. The module that holds a
//! story is the part of Kiln that it is about.

mod agent;
mod boot;
mod build;
mod cancel;
mod cgroups;
mod daemon;
mod detach;
mod disks;
mod doctor;
mod golden;
mod hogs;
mod image;
mod input;
mod jail;
mod limits;
mod loss;
mod machine;
mod network;
mod privileges;
mod registry;
mod rootfs;
mod run;
mod streams;
mod survival;
mod terminal;
mod vsock;

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
        privileges::stories(),
        doctor::stories(),
        survival::stories(),
        image::stories(),
        loss::stories(),
        golden::stories(),
        hogs::stories(),
        agent::stories(),
        boot::stories(),
        machine::stories(),
        jail::stories(),
        cgroups::stories(),
        vsock::stories(),
        network::stories(),
        build::stories(),
        registry::stories(),
        rootfs::stories(),
    ];
    let told = kiln_tests::tell(stories.concat())?;
    agent::close()?;
    Ok(told.exit_code())
}

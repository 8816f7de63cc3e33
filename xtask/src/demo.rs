//! `cargo xtask demo`: from nothing to a command that ran in a microVM, an image that was built in
//! one, and one that boots that image.

mod image;
mod machine;

use std::{path::Path, process::Command};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    arguments::ImageOptions, binaries::Binaries, daemon::Daemon, guest_image, privileges, program,
    say, setup, temporary::TemporaryDirectory, workspace,
};

/// Shows what kind of machine it runs on.
const SCRIPT: &str = "uname -a; id; nproc; cat /proc/meminfo | head -n 1; \
                      echo; mount | grep -w / ; echo; \
                      getent hosts one.test || echo 'one.test: closed, as no --egress opens it'; \
                      echo; echo hello from $0";

pub(crate) fn demo() -> anyhow::Result<()> {
    let tools = setup::setup()?;
    say!("==> building kilnd, kiln and kiln-image");
    let mut cargo = workspace::cargo();
    let binaries = Binaries::build(cargo.args(["build", "--workspace", "--bins"]))?;
    let image = guest_image::build(&binaries, &ImageOptions::default())?;

    let reach = TemporaryDirectory::new("b")?;
    let binaries = binaries.within_reach(reach.path())?;
    say!("==> starting kilnd, which first finds out what runs a guest here");
    let daemon = Daemon::start(binaries.path("kilnd")?, &image, &tools)?;
    let client = Client { kiln: binaries.path("kiln")?, daemon: &daemon };
    let shown = client.run_a_command().and_then(|()| client.build_an_image());
    let shown = shown.with_context(|| daemon.log());
    say!("==> stopping kilnd");
    let stopped = daemon.stop();
    shown.and(stopped)
}

struct Client<'a> {
    kiln: &'a Path,
    daemon: &'a Daemon,
}

impl Client<'_> {
    fn run_a_command(&self) -> anyhow::Result<()> {
        say!("==> kiln run -- sh -c '{SCRIPT}' 'a microVM'\n");
        program::run(&mut self.command(&["run", "--", "sh", "-c", SCRIPT, "a microVM"]))?;
        self.show_the_newest_job()
    }

    /// What it took, phase by phase, among it.
    fn show_the_newest_job(&self) -> anyhow::Result<()> {
        let jobs = program::capture(&mut self.command(&["job", "ls", "--json"]))?;
        let newest: Value = serde_json::from_str(jobs.lines().next().unwrap_or_default())
            .context("`kiln job ls --json`")?;
        let id = newest["id"].as_str().context("the job has no id")?;
        say!("\n==> kiln job get {id}\n");
        program::run(&mut self.command(&["job", "get", id]))?;
        say!("");
        Ok(())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = privileges::as_root(self.kiln);
        command.arg("--socket").arg(self.daemon.socket()).args(arguments);
        command
    }
}

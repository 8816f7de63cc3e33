//! `cargo xtask check`: all that can be said about the code without running it.

mod house;

use crate::{
    program::{command, run},
    say, setup, workspace,
};

pub(crate) fn check() -> anyhow::Result<()> {
    say!("==> formatting");
    run(workspace::cargo().args(["fmt", "--all", "--check"]))?;
    say!("==> house figures");
    house::check(workspace::root())?;
    say!("==> lints");
    let lint = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    run(workspace::cargo().args(lint))?;
    say!("==> documentation");
    let mut documentation = workspace::cargo();
    documentation.args(["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"]);
    run(documentation.env("RUSTDOCFLAGS", "-D warnings"))?;
    say!("==> licences, bans and sources");
    let mut deny = command(setup::cargo_deny()?, ["--workspace", "--log-level", "error"]);
    run(deny.args(["check", "bans", "licenses", "sources"]).current_dir(workspace::root()))?;
    say!(
        "not checked: advisories, whose database is fetched; `cargo deny check advisories` does it"
    );
    Ok(())
}

//! Programs from crates.io, built once and kept in the cache.

use std::path::PathBuf;

use crate::{
    cache,
    program::{capture, command, run},
    say, workspace,
};

/// The vsock bridge of the qemu driver.
pub(super) fn vhost_device_vsock() -> anyhow::Result<PathBuf> {
    tool("vhost-device-vsock", "0.3.0", &[])
}

/// Checks licences, bans and sources.
pub(crate) fn cargo_deny() -> anyhow::Result<PathBuf> {
    // It works for seconds: what optimizing it takes does not come back.
    tool("cargo-deny", "0.20.2", &["--debug"])
}

fn tool(name: &str, version: &str, how: &[&str]) -> anyhow::Result<PathBuf> {
    // A tool links against this machine's libc.
    let host = capture(command("uname", ["-m"]).arg("-s"))?;
    let libc = capture(&mut command("getconf", ["GNU_LIBC_VERSION"]))?;
    let mut inputs = format!("{name} {version} {} {}", host.trim(), libc.trim());
    inputs.extend(how.iter().flat_map(|word| [" ", word]));
    let entry = cache::entry(&inputs, |directory| {
        say!("==> building {name} {version}, which takes a minute or two, once");
        let mut install = workspace::cargo();
        install.args(["install", "--quiet", "--locked", name, "--version", version, "--root"]);
        run(install.arg(directory).args(how))
    })?;
    Ok(entry.join("bin").join(name))
}

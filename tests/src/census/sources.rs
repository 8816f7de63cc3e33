//! What is known by its name alone: mounts, cgroups, sockets, interfaces, tables, files.

use std::{env, fs, io, path::Path, process::Command};

use anyhow::Context as _;

use super::Leftover;

pub(super) fn mounts() -> anyhow::Result<Vec<Leftover>> {
    lines("/proc/self/mountinfo", "mount", |line| Some(line.to_owned()))
}

/// Of the host's unix sockets those that have a name.
pub(super) fn sockets() -> anyhow::Result<Vec<Leftover>> {
    lines("/proc/net/unix", "socket", |line| Some(line.split_whitespace().nth(7)?.to_owned()))
}

/// In every hierarchy, version 1 and 2.
pub(super) fn cgroups() -> Vec<Leftover> {
    let mut found = Vec::new();
    let mut below = vec![Path::new("/sys/fs/cgroup").to_owned()];
    while let Some(directory) = below.pop() {
        // A cgroup may go while we look.
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.push(Leftover::named("cgroup", entry.path().to_string_lossy()));
                below.push(entry.path());
            }
        }
    }
    found
}

pub(super) fn interfaces() -> anyhow::Result<Vec<Leftover>> {
    directory(Path::new("/sys/class/net"), "interface")
}

/// Shared memory, and what lies at the top of the directory for temporary files.
pub(super) fn files() -> anyhow::Result<Vec<Leftover>> {
    let mut found = directory(Path::new("/dev/shm"), "file")?;
    found.extend(directory(&env::temp_dir(), "file")?);
    Ok(found)
}

/// nftables' tables; none where there is no `nft`, or where we may not ask it.
pub(super) fn tables() -> anyhow::Result<Vec<Leftover>> {
    match Command::new("nft").args(["list", "tables"]).output() {
        Ok(output) => Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| Leftover::named("table", line))
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).context("running nft"),
    }
}

fn lines(
    path: &str,
    kind: &'static str,
    name: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Vec<Leftover>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    Ok(text.lines().filter_map(|line| Some(Leftover::named(kind, name(line)?))).collect())
}

fn directory(path: &Path, kind: &'static str) -> anyhow::Result<Vec<Leftover>> {
    match fs::read_dir(path) {
        Ok(entries) => Ok(entries
            .flatten()
            .map(|entry| Leftover::named(kind, entry.path().to_string_lossy()))
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

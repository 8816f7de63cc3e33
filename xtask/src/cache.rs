//! `${XDG_CACHE_HOME:-~/.cache}/kiln/<digest of inputs>`, for tools that are built once.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

use crate::program;

/// The entry for these inputs; `make` fills it when it is not there yet. It appears whole or not
/// at all.
pub(crate) fn entry(
    inputs: &str,
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let entry = directory()?.join(digest(inputs)?);
    if entry.is_dir() {
        return Ok(entry);
    }
    let unfinished = entry.with_extension(std::process::id().to_string());
    fs::create_dir_all(&unfinished).with_context(|| format!("making {}", unfinished.display()))?;
    let made = make(&unfinished).and_then(|()| match fs::rename(&unfinished, &entry) {
        // Somebody else was faster, with the same inputs.
        Err(_) if entry.is_dir() => Ok(()),
        renamed => renamed.with_context(|| format!("making {}", entry.display())),
    });
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .with_context(|| format!("removing {}", unfinished.display()))?;
    }
    made.map(|()| entry)
}

fn directory() -> anyhow::Result<PathBuf> {
    let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("XDG_CACHE_HOME")
        .or_else(|| Some(path("HOME")?.join(".cache")))
        .map(|caches| caches.join("kiln"))
        .context("neither XDG_CACHE_HOME nor HOME is set")
}

fn digest(inputs: &str) -> anyhow::Result<String> {
    let mut command = Command::new("sha256sum");
    let mut child = program::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    // Far less than a pipe holds, so the writing ends before the reading begins.
    child.stdin.take().context("stdin")?.write_all(inputs.as_bytes())?;
    let output = child.wait_with_output().context("sha256sum")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let digest = text.split_whitespace().next().unwrap_or_default();
    ensure!(digest.len() == 64, "sha256sum said {text:?}");
    Ok(digest.to_owned())
}

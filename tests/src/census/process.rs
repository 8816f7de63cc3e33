//! Processes, with everything about them that could bear a mark.

use std::{fs, path::Path, process};

use anyhow::Context as _;

use super::Leftover;

/// Every process but this one. Those that end while we look are left out.
pub(crate) fn processes() -> anyhow::Result<Vec<Leftover>> {
    let this = process::id().to_string();
    let entries = fs::read_dir("/proc").context("reading /proc")?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != this)
        .filter_map(|id| read(&id))
        .collect())
}

/// `None` for kernel threads, and for what has ended and only waits to be reaped.
fn read(id: &str) -> Option<Leftover> {
    let directory = Path::new("/proc").join(id);
    let program = fs::read_link(directory.join("exe")).ok()?;
    let arguments = fs::read(directory.join("cmdline")).ok()?;
    let arguments = String::from_utf8_lossy(&arguments).trim_end_matches('\0').replace('\0', " ");
    let mut traces = format!("{arguments}\n{}", program.display());
    let mut follow = |link: &Path| {
        if let Ok(target) = fs::read_link(link) {
            traces.push('\n');
            traces.push_str(&target.to_string_lossy());
        }
    };
    for link in ["cwd", "root"] {
        follow(&directory.join(link));
    }
    for descriptor in fs::read_dir(directory.join("fd")).into_iter().flatten().flatten() {
        follow(&descriptor.path());
    }
    Some(Leftover { kind: "process", name: format!("{id}: {arguments}"), traces })
}

//! A program's own loader, asked for what it will load: `LOADER --list PROGRAM`, which glibc's and
//! musl's both understand. Nothing of the program itself runs.

use std::path::{Path, PathBuf};

use super::JailedError;
use crate::vmm::words::{Words, ask};

/// How much of a loader's complaint is shown.
const SHOWN_CHARACTERS: usize = 500;

/// Every library of `program`, in the order in which they are loaded.
pub(super) async fn libraries(loader: &Path, program: &Path) -> Result<Vec<PathBuf>, JailedError> {
    let failed = |reason: String| JailedError::Loader {
        program: program.to_owned(),
        loader: loader.to_owned(),
        reason,
    };
    let Some(argument) = program.to_str() else {
        return Err(failed("the program's path is not UTF-8".to_owned()));
    };
    let Words { status, stdout, stderr } =
        ask(loader, &["--list", argument]).await.map_err(|error| failed(error.to_string()))?;
    let found = listed(&stdout, program)?;
    if status.success() {
        return Ok(found);
    }
    let stderr: String = stderr.trim().chars().take(SHOWN_CHARACTERS).collect();
    Err(failed(format!("{status}: {stderr}")))
}

/// ```text
///         linux-vdso.so.1 (0x00007f1790e10000)
///         libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f178fb36000)
///         libhere.so => not found
///         /lib64/ld-linux-x86-64.so.2 (0x00007f1790e12000)
/// ```
pub(super) fn listed(said: &str, program: &Path) -> Result<Vec<PathBuf>, JailedError> {
    let mut paths = Vec::new();
    for line in said.lines().map(str::trim) {
        let line = line.rsplit_once(" (0x").map_or(line, |(before, _)| before);
        let Some((library, found)) = line.split_once(" => ") else {
            // The loader itself; the kernel's own page has no path, and "statically linked" is none.
            if line.starts_with('/') {
                paths.push(line.into());
            }
            continue;
        };
        let (program, library) = (program.to_owned(), library.to_owned());
        match found {
            "not found" => return Err(JailedError::Missing { program, library }),
            found if found.starts_with('/') => paths.push(found.into()),
            found => return Err(JailedError::Relative { program, library, found: found.into() }),
        }
    }
    Ok(paths)
}

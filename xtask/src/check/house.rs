//! The house figures: short files, each named after the one thing it owns.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};

use crate::{
    program::{capture, command},
    say,
};

const MEDIAN_LINES: usize = 140;
/// Names of nothing, and `mod.rs`, which stands in a file's tab as nothing.
const BANNED: [&str; 6] = ["common", "helpers", "misc", "mod", "types", "utils"];

/// Checks every Rust file that git knows or would know.
pub(super) fn check(root: &Path) -> anyhow::Result<()> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "--", "*.rs"];
    let listed = capture(command("git", arguments).current_dir(root))?;
    let mut lengths = Vec::new();
    let mut problems = Vec::new();
    for path in listed.lines() {
        let file = root.join(path);
        // Listed still, deleted already.
        if !file.exists() {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| format!("reading {path}"))?;
        lengths.push(text.lines().count());
        problems.extend(problem(path, &text));
    }
    let median = median(&mut lengths).context("there is no Rust file")?;
    say!("{} files, median {median} lines", lengths.len());
    if median > MEDIAN_LINES {
        problems.push(format!("the median file has {median} lines, more than {MEDIAN_LINES}"));
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(())
}

fn problem(path: &str, text: &str) -> Option<String> {
    let path_without_suffix = path.strip_suffix(".rs").unwrap_or(path);
    let banned = path_without_suffix.split('/').find(|name| BANNED.contains(name));
    if let Some(name) = banned {
        return Some(format!("{path}: `{name}` names nothing"));
    }
    let defines = ["fn ", "struct ", "enum ", "trait ", "impl ", "impl<", "pub fn ", "pub struct "];
    let code = |line: &&str| defines.iter().any(|start| line.starts_with(start));
    let line = text.lines().find(code).filter(|_| path.ends_with("/lib.rs"))?;
    Some(format!("{path}: a table of contents has no `{line}`"))
}

fn median(lengths: &mut [usize]) -> Option<usize> {
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_nothing_are_refused() {
        for path in ["a/src/utils.rs", "a/src/common/disk.rs", "a/src/disk/mod.rs"] {
            assert!(problem(path, "").is_some(), "{path}");
        }
        for path in ["a/src/common_name.rs", "tests/main.rs", "a/src/lib.rs"] {
            assert_eq!(problem(path, "mod a;\n//! fn\npub use b::{\n    fn_like,\n};\n"), None);
        }
    }

    #[test]
    fn code_in_a_table_of_contents_is_refused() {
        assert!(problem("a/src/lib.rs", "mod a;\nfn main() {}\n").is_some());
        assert_eq!(problem("a/src/a.rs", "fn main() {}\n"), None);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&mut [9, 1, 5]), Some(5));
        assert_eq!(median(&mut []), None);
    }
}

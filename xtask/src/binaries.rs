//! What cargo builds, and where it puts it.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::program;

/// The tests that are run by others than cargo.
const TESTS: [&str; 2] = ["stories", "machines"];

/// The executables of one `cargo build` and the libraries that a program loads, by name.
#[derive(Debug)]
pub(crate) struct Binaries(BTreeMap<String, PathBuf>);

impl Binaries {
    /// Runs a cargo command that builds; what it says about errors and warnings is shown.
    pub(crate) fn build(cargo: &mut Command) -> anyhow::Result<Self> {
        let mut found = BTreeMap::new();
        let cargo = cargo.arg("--message-format=json-render-diagnostics");
        let status = program::each_line(cargo, |line| {
            found.extend(executable(line).or_else(|| loaded(line)));
        })?;
        ensure!(status.success(), "the build failed: {status}");
        Ok(Self(found))
    }

    pub(crate) fn path(&self, name: &str) -> anyhow::Result<&PathBuf> {
        self.0.get(name).with_context(|| format!("the build made no {name}"))
    }
}

/// The name and path of an executable that cargo tells about in one line of JSON.
///
/// Of a program cargo tells twice, of itself and of its unit tests; the program is what is meant,
/// and not an integration test of the same name either. A few that others run are nothing but
/// tests.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let path = message["executable"].as_str()?;
    let target = &message["target"];
    let name = target["name"].as_str()?;
    let is_test = message["profile"]["test"] == true || target["kind"][0] == "test";
    (!is_test || TESTS.contains(&name)).then_some((name.to_owned(), path.into()))
}

/// The name and path of a shared library that programs load at run time.
fn loaded(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let target = &message["target"];
    if target["kind"][0] != "cdylib" || message["profile"]["test"] == true {
        return None;
    }
    let files = message["filenames"].as_array()?;
    let mut paths = files.iter().filter_map(Value::as_str).map(PathBuf::from);
    let path = paths.find(|path| path.extension().is_some_and(|suffix| suffix == "so"))?;
    Some((target["name"].as_str()?.to_owned(), path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(kind: &str, name: &str, test: bool, executable: Option<&str>) -> String {
        let target = json!({ "kind": [kind], "name": name, "test": true });
        json!({ "target": target, "profile": { "test": test }, "executable": executable })
            .to_string()
    }

    #[test]
    fn programs_and_the_stories_are_found() {
        let found = |line: String| {
            executable(&line).map(|(name, path)| format!("{name} {}", path.display()))
        };
        let kilnd = found(line("bin", "kilnd", false, Some("/t/kilnd")));
        assert_eq!(kilnd.as_deref(), Some("kilnd /t/kilnd"));
        let stories = found(line("test", "stories", true, Some("/t/deps/stories-1")));
        assert_eq!(stories.as_deref(), Some("stories /t/deps/stories-1"));
    }

    #[test]
    fn what_programs_load_is_found() {
        let line = |kind: &str| {
            let target = json!({ "kind": [kind], "name": "faults", "test": false });
            json!({ "target": target, "profile": { "test": false }, "executable": null,
                "filenames": ["/t/libfaults.rlib", "/t/libfaults.so"] })
            .to_string()
        };
        let path = PathBuf::from("/t/libfaults.so");
        assert_eq!(loaded(&line("cdylib")), Some(("faults".to_owned(), path)));
        assert_eq!(loaded(&line("proc-macro")), None);
    }

    #[test]
    fn libraries_and_unit_tests_are_not() {
        assert_eq!(executable(&line("lib", "kiln_proto", false, None)), None);
        assert_eq!(executable(&line("bin", "kilnd", true, Some("/t/deps/kilnd-1"))), None);
        assert_eq!(executable(&line("test", "kiln", true, Some("/t/deps/kiln-1"))), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
    }
}

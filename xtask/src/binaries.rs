//! What cargo builds, and where it puts it.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::program;

/// The tests that are run by others than cargo.
const TESTS: [&str; 3] = ["stories", "machines", HARNESS];
/// What the stories stand on: its own tests.
pub(crate) const HARNESS: &str = "kiln_tests";
/// What a daemon looks for beside itself, and the daemons.
const TOGETHER: [&str; 6] =
    ["kilnd", "kilnd-stub", "kiln-shim", "kiln-helper", "kiln-gateway", "stub-guest"];

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

    /// With the daemons in `directory`, unless everybody may come to where they are: a kilnd
    /// without privileges looks at what its gateways need.
    pub(crate) fn within_reach(mut self, directory: &Path) -> anyhow::Result<Self> {
        if is_open(self.path("kilnd")?)? {
            return Ok(self);
        }
        for (name, path) in &mut self.0 {
            if TOGETHER.contains(&name.as_str()) {
                let copy = directory.join(name);
                fs::copy(&*path, &copy).with_context(|| format!("a copy of {name}"))?;
                fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
                *path = copy;
            }
        }
        Ok(self)
    }

    pub(crate) fn path(&self, name: &str) -> anyhow::Result<&PathBuf> {
        self.0.get(name).with_context(|| format!("the build made no {name}"))
    }
}

/// Whether everybody may go through all directories on the way to `path`.
fn is_open(path: &Path) -> anyhow::Result<bool> {
    for directory in path.ancestors().skip(1) {
        if fs::metadata(directory)?.permissions().mode() & 0o001 == 0 {
            return Ok(false);
        }
    }
    Ok(true)
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
        let harness = found(line("lib", HARNESS, true, Some("/t/deps/kiln_tests-1")));
        assert_eq!(harness.as_deref(), Some("kiln_tests /t/deps/kiln_tests-1"));
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
    fn daemons_are_together_where_everybody_comes() {
        let places = ["closed/bin", "open"].map(|place| {
            std::env::temp_dir().join(format!("kiln-binaries-{}-{place}", std::process::id()))
        });
        let [closed, open] = &places;
        fs::create_dir_all(closed).unwrap();
        fs::create_dir_all(open).unwrap();
        let outer = closed.parent().unwrap();
        let binaries = |names: &[&str]| {
            let all = names.iter().map(|name| ((*name).to_owned(), closed.join(name)));
            Binaries(all.collect())
        };
        let names = ["kilnd", "kiln-gateway", "kiln"];
        for name in names {
            fs::write(closed.join(name), name).unwrap();
        }
        fs::set_permissions(outer, Permissions::from_mode(0o755)).unwrap();
        let all = binaries(&names).within_reach(open).unwrap();
        if is_open(outer).unwrap() {
            assert!(all.0.values().all(|path| path.starts_with(closed)));
        }
        fs::set_permissions(outer, Permissions::from_mode(0o700)).unwrap();
        let all = binaries(&names).within_reach(open).unwrap();
        assert_eq!(all.path("kilnd").unwrap(), &open.join("kilnd"));
        assert_eq!(fs::read(all.path("kiln-gateway").unwrap()).unwrap(), b"kiln-gateway");
        assert_eq!(all.path("kiln").unwrap(), &closed.join("kiln"));
        fs::remove_dir_all(outer).unwrap();
        fs::remove_dir_all(open).unwrap();
    }

    #[test]
    fn libraries_and_unit_tests_are_not() {
        assert_eq!(executable(&line("lib", "kiln_proto", false, None)), None);
        assert_eq!(executable(&line("bin", "kilnd", true, Some("/t/deps/kilnd-1"))), None);
        assert_eq!(executable(&line("test", "kiln", true, Some("/t/deps/kiln-1"))), None);
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
    }
}

use std::{error::Error as _, fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// A complete image of four tiny files.
struct Fixture {
    directory: TempDir,
    manifest: Value,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let entry = |name: &str, content: &str| {
            fs::write(directory.path().join(name), content).unwrap();
            let sha256 = Digest::of(content.as_bytes()).to_string();
            json!({"file": name, "sha256": sha256, "size": content.len()})
        };
        let mut kernel = entry("vmlinux", "kernel");
        kernel["release"] = "6.12.1-cloud".into();
        let manifest = json!({
            "format": 2,
            "architecture": std::env::consts::ARCH,
            "kernel": kernel,
            "initramfs": entry("initramfs.cpio", "agent"),
            "root": entry("root.ext4", "golden root"),
            "tools": entry("tools.tar", "tools"),
            "command_line": "console=ttyS0",
            "agent_version": "0.1.0",
            "packages": [{"name": "runc", "version": "1.1"}],
        });
        Self { directory, manifest }
    }

    fn open(&self) -> Result<GuestImage, OpenError> {
        fs::write(self.path(manifest::FILE_NAME), self.manifest.to_string()).unwrap();
        GuestImage::open(self.directory.path())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

#[test]
fn opens_and_verifies_what_is_complete() {
    let image = Fixture::new();
    let opened = image.open().unwrap();
    assert_eq!(opened.kernel_release, "6.12.1-cloud");
    assert!(opened.root.path.is_absolute());
    assert_eq!(opened.root.size, 11);
    opened.verify().unwrap();
}

#[test]
fn says_how_to_make_an_image_where_there_is_none() {
    for directory in [PathBuf::from("/nonexistent/image"), tempfile::tempdir().unwrap().keep()] {
        let error = GuestImage::open(&directory).unwrap_err();
        assert!(matches!(&error, OpenError::Absent { directory: named } if *named == directory));
        assert!(error.to_string().contains("cargo xtask image"), "{error}");
        let _ = fs::remove_dir(directory);
    }
}

#[test]
fn refuses_a_manifest_that_is_not_exactly_as_expected() {
    let check = |edit: fn(&mut Value), expected: &str| {
        let mut image = Fixture::new();
        edit(&mut image.manifest);
        let error = image.open().unwrap_err();
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        let message = format!("{error}{source}");
        assert!(message.contains(expected), "{message:?} does not name {expected:?}");
    };
    check(|manifest| manifest["format"] = 1.into(), "format 1");
    check(|manifest| manifest["architecture"] = "pdp11".into(), "pdp11");
    check(|manifest| manifest["colour"] = "red".into(), "colour");
    check(|manifest| manifest["root"]["colour"] = "red".into(), "colour");
    check(|manifest| manifest["root"]["size"] = (-1).into(), "-1");
    check(|manifest| drop(manifest.as_object_mut().unwrap().remove("packages")), "packages");
    check(|manifest| manifest["root"]["file"] = "../root.ext4".into(), "../root.ext4");
    check(|manifest| manifest["root"]["file"] = "..".into(), "not the name of a file");
    check(|manifest| manifest["kernel"]["sha256"] = "sha256:12".into(), "sha256:12");
    check(|manifest| manifest["command_line"] = "a\nb".into(), "more than one line");
}

#[test]
fn names_the_file_that_is_missing_or_was_altered() {
    let image = Fixture::new();
    let opened = image.open().unwrap();
    fs::write(image.path("root.ext4"), "golden rooT").unwrap();
    image.open().unwrap();
    assert!(
        matches!(opened.verify(), Err(OpenError::Altered { path, .. }) if path == opened.root.path)
    );
    fs::write(image.path("root.ext4"), "short").unwrap();
    assert!(matches!(image.open(), Err(OpenError::Size { found: 5, expected: 11, .. })));
    fs::remove_file(image.path("root.ext4")).unwrap();
    assert!(matches!(image.open(), Err(OpenError::Missing { path }) if path == opened.root.path));
    std::os::unix::fs::symlink("/dev/null", image.path("root.ext4")).unwrap();
    assert!(matches!(image.open(), Err(OpenError::Field { problem: "not a regular file", .. })));
}

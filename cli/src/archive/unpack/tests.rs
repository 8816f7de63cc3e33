//! What a hostile archive may try. The numbers are those of the project's list of threats.

mod bombs;
mod links;
pub(in crate::archive) mod memory;
mod policy;
mod sparse;
mod traversal;

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use kiln_forge::{Forge, TIME};
use tempfile::TempDir;

use super::*;

const LIMITS: Limits = Limits { entries: 1000, depth: 16, bytes: 1 << 20, holes: 1 << 30 };

/// A place to unpack into, with things around it that nobody may touch.
struct Place {
    base: TempDir,
}

impl Place {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("dest")).unwrap();
        fs::create_dir(base.path().join("outside")).unwrap();
        fs::write(base.path().join("outside/file"), "untouched").unwrap();
        Self { base }
    }

    fn dest(&self) -> std::path::PathBuf {
        self.base.path().join("dest")
    }

    fn outside(&self) -> std::path::PathBuf {
        self.base.path().join("outside")
    }

    fn unpack(&self, archive: &[u8]) -> Result<Vec<String>, UnpackError> {
        self.unpack_with(Links::Inside, archive)
    }

    fn unpack_with(&self, links: Links, archive: &[u8]) -> Result<Vec<String>, UnpackError> {
        let mut warnings = Vec::new();
        unpack(archive, &self.dest(), LIMITS, links, |warning| warnings.push(warning))?;
        Ok(warnings)
    }

    #[track_caller]
    fn nothing_outside(&self) {
        let names = |path: &Path| {
            let mut names: Vec<_> = fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(self.base.path()), ["dest", "outside"]);
        assert_eq!(names(&self.outside()), ["file"]);
        let file = self.outside().join("file");
        assert_eq!(fs::read_to_string(&file).unwrap(), "untouched");
        assert_eq!(file.metadata().unwrap().nlink(), 1);
    }
}

#[test]
fn an_archive_comes_out_as_it_was() {
    let place = Place::new();
    let archive = Forge::default()
        .member(b'5', "dir/", "", 0o555, b"")
        .member(b'0', "dir/file", "", 0o640, b"text")
        .member(b'1', "dir/again", "dir/file", 0o640, b"")
        .member(b'0', "dir/file", "", 0o600, b"newer")
        .member(b'2', "dir/link", "file", 0o777, b"")
        .long_name("missing/parents/missing/parents/missing/parents/last")
        .member(b'0', "cut", "", 0o600, b"deep")
        .pax(&[("path", "größer"), ("mtime", "7.5")])
        .member(b'0', "groesser", "", 0o600, b"")
        .end();
    assert_eq!(place.unpack(&archive).unwrap(), Vec::<String>::new());
    let at = |path: &str| place.dest().join(path);
    assert_eq!(fs::read(at("dir/file")).unwrap(), b"newer");
    assert_eq!(fs::read(at("dir/again")).unwrap(), b"text");
    assert_eq!(fs::read_link(at("dir/link")).unwrap(), Path::new("file"));
    assert_eq!(
        fs::read(at("missing/parents/missing/parents/missing/parents/last")).unwrap(),
        b"deep"
    );
    assert_eq!(at("dir").metadata().unwrap().mtime(), TIME);
    assert_eq!(at("größer").metadata().unwrap().mtime(), 7);
    assert_eq!(at("dir").metadata().unwrap().mode() & 0o7777, 0o755);
    place.nothing_outside();
}

#[test]
fn a_torn_archive_is_an_error_wherever_it_is_torn() {
    let archive = Forge::default()
        .pax(&[("path", "a")])
        .member(b'0', "a", "", 0o644, &[7; 700])
        .member(b'2', "b", "a", 0o777, b"")
        .end();
    for length in (0..archive.len() - 1).step_by(100) {
        let place = Place::new();
        let torn = place.unpack(&archive[..length]);
        assert!(matches!(torn, Err(UnpackError::Read(ReadError::Truncated))), "{length}");
    }
    let trailing = [&archive[..], b"more"].concat();
    let unpacked = Place::new().unpack(&trailing);
    assert!(matches!(unpacked, Err(UnpackError::Read(ReadError::Trailing))));
}

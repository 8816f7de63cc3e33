//! A root filesystem as others read it.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde::Deserialize;

use crate::program::{Ended, of_debian};

pub(crate) const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/read.py");

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Fact {
    /// With the target of a link, the numbers of a device, or the size and the digest of a file.
    pub(crate) kind: String,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) modified: (i64, u32),
    pub(crate) attributes: BTreeMap<String, String>,
    /// The first of the paths that lead to the same.
    pub(crate) first: String,
    /// No layer has it, but something in it: nobody says of when it is.
    made: bool,
}

/// By paths in hexadecimal, each with a slash before every name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Reading(pub(crate) BTreeMap<String, Fact>);

impl Fact {
    pub(crate) fn is_made(&self) -> bool {
        self.made
    }
}

impl Reading {
    /// What layers' tars leave on each other.
    pub(crate) fn of_layers(layers: &[Vec<u8>]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let paths = layers.iter().enumerate().map(|(number, layer)| {
            let path = directory.path().join(format!("{number}.tar"));
            std::fs::write(&path, layer).unwrap();
            path
        });
        let paths: Vec<_> = paths.collect();
        Self::said_by(Command::new("python3").args([READER, "layers"]).args(paths))
    }

    pub(crate) fn of_tar(path: &Path) -> Self {
        Self::said_by(Command::new("python3").args([READER, "tar"]).arg(path))
    }

    pub(crate) fn of_directory(path: &Path) -> Self {
        Self::said_by(Command::new("python3").args([READER, "disk"]).arg(path))
    }

    /// As this machine's kernel sees it: what is mounted for that ends with who asked. It takes root and
    /// loop devices.
    pub(crate) fn of_ext4(path: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let script = r#"mount -t ext4 -o loop,ro,noload "$1" "$2" && exec python3 "$3" disk "$2""#;
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-c", script, "sh"]).arg(path).arg(directory.path());
        let mut reading = Self::said_by(unshare.arg(READER));
        reading.0.remove(&hex(b"/lost+found"));
        reading
    }

    fn said_by(command: &mut Command) -> Self {
        let Ended { code, out, error } = of_debian("python3", command);
        assert_eq!(code, Some(0), "{command:?}: {error}");
        serde_json::from_str(&out).unwrap()
    }

    pub(crate) fn fact(&self, path: &str) -> &Fact {
        self.find(path).unwrap_or_else(|| panic!("{path} is not there"))
    }

    pub(crate) fn find(&self, path: &str) -> Option<&Fact> {
        self.0.get(&hex(path.as_bytes()))
    }

    /// Of what no layer has, nothing but that it is there.
    pub(crate) fn check(&self, other: &Self, who: &str) {
        let paths: Vec<_> = self.0.keys().collect();
        let others: Vec<_> = other.0.keys().collect();
        assert_eq!(paths, others, "{who}");
        for (path, expected) in &self.0 {
            let mut found = other.0[path].clone();
            if expected.made {
                found.modified = expected.modified;
            }
            found.made = expected.made;
            assert_eq!(&found, expected, "{who}: {}", text(path));
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn text(path: &str) -> String {
    String::from_utf8_lossy(&unhex(path)).into_owned()
}

//! A file system in a file, written twice and checked.

use std::{fs::File, io::Read as _, path::Path, process::Command};

use tempfile::NamedTempFile;

use super::{Options, Plan, Usage, plot::Plot};

pub(super) struct Image {
    file: NamedTempFile,
    pub(super) usage: Usage,
}

pub(super) fn options() -> Options {
    Options {
        uuid: *b"\x01\x23\x45\x67\x89\xab\x4d\xef\x81\x23\x45\x67\x89\xab\xcd\xef",
        hash_seed: *b"a seed of hashes",
        made: 1_600_000_000,
        label: "test".to_owned(),
        ..Options::default()
    }
}

impl Image {
    /// Writes what was planted, and is not content unless `e2fsck` is.
    pub(super) fn of(plot: &Plot, options: &Options) -> Self {
        let plan = Plan::of(&plot.tree, options).unwrap();
        let file = NamedTempFile::new().unwrap();
        plan.write(&plot.store, file.as_file()).unwrap();
        let image = Self { file, usage: plan.usage() };
        image.check();
        image
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    fn check(&self) {
        assert_eq!(self.file.as_file().metadata().unwrap().len(), self.usage.size);
        self.run("e2fsck", &["-f", "-n"]);
        let told = self.run("dumpe2fs", &["-h"]);
        let field = |name: &str| -> u64 {
            let line = told.lines().find(|line| line.starts_with(name)).unwrap();
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        assert_eq!(field("Free blocks:") * 4096, self.usage.free);
        assert_eq!(field("Inode count:"), u64::from(self.usage.inodes));
        assert_eq!(field("Free inodes:"), u64::from(self.usage.free_inodes));
    }

    /// A program of e2fsprogs over the image; it must succeed.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program)
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .args(arguments)
            .arg(self.path())
            .output()
            .unwrap_or_else(|error| panic!("{program} is needed (Debian: e2fsprogs): {error}"));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let more = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {}\n{told}{more}", output.status);
        told
    }

    /// What `debugfs` answers to a request.
    pub(super) fn ask(&self, request: &str) -> String {
        self.run("debugfs", &["-R", request])
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        File::open(self.path()).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }
}

//! Programs, run to their end.

use std::{ffi::OsStr, process::Command};

pub(crate) struct Program(Command);

impl Program {
    pub(crate) fn new(name: impl AsRef<OsStr>) -> Self {
        Self(Command::new(name))
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.0.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn within(mut self, directory: impl AsRef<std::path::Path>) -> Self {
        self.0.current_dir(directory);
        self
    }

    /// What it said; that it failed is the story's end.
    #[track_caller]
    pub(crate) fn output(self) -> String {
        let (said, succeeded) = self.tried();
        assert!(succeeded, "{said}");
        said
    }

    #[track_caller]
    pub(crate) fn fails(self) -> String {
        let (said, succeeded) = self.tried();
        assert!(!succeeded, "{said}");
        said
    }

    fn tried(mut self) -> (String, bool) {
        let output = self.0.output();
        let output = output.unwrap_or_else(|error| panic!("{:?}: {error}", self.0));
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return (stdout, true);
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        (format!("{:?}: {}\n{stdout}{stderr}", self.0, output.status), false)
    }
}

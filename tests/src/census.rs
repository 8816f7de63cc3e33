//! What is on the host, so that it can be seen whether a story left something behind.
//!
//! Everything of Kiln's carries a mark: the path of its home or the id of its instance. A leftover
//! is what was not there before, is there afterwards, and bears a mark of the story. What other
//! programs, or other stories beside this one, take and leave is no concern of ours.

mod process;
mod sources;
mod sweep;

use std::{collections::BTreeSet, fmt};

pub(crate) use self::{process::processes, sweep::sweep};

/// One thing on the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leftover {
    /// `process`, `mount`, `cgroup`, `socket`, `interface`, `table` or `file`.
    pub kind: &'static str,
    /// By what a person finds it.
    pub name: String,
    /// Whatever about it could bear a mark.
    pub(crate) traces: String,
}

impl Leftover {
    /// For things that are known by their name alone.
    fn named(kind: &'static str, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { kind, traces: name.clone(), name }
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind, self.name)
    }
}

/// All that is on the host at one moment.
#[derive(Clone, Debug)]
pub struct Census {
    found: BTreeSet<Leftover>,
}

impl Census {
    pub fn take() -> anyhow::Result<Self> {
        let mut found = BTreeSet::new();
        found.extend(processes()?);
        found.extend(sources::mounts()?);
        found.extend(sources::cgroups());
        found.extend(sources::sockets()?);
        found.extend(sources::interfaces()?);
        found.extend(sources::tables()?);
        found.extend(sources::files()?);
        Ok(Self { found })
    }

    /// The control groups whose path has this in it, below them all too.
    pub fn cgroups_named(mark: &str) -> Vec<String> {
        let names = sources::cgroups().into_iter().map(|group| group.name);
        names.filter(|name| name.contains(mark)).collect()
    }

    /// What came since `earlier` and bears one of the marks.
    pub fn leftovers(&self, earlier: &Self, marks: &[String]) -> Vec<Leftover> {
        self.found
            .difference(&earlier.found)
            .filter(|thing| marks.iter().any(|mark| thing.traces.contains(mark.as_str())))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, process::Command};

    use super::*;

    /// A thing that is left behind is found; after `clear` it no longer is.
    fn check<T>(kind: &str, leave: impl FnOnce(&std::path::Path) -> T, clear: impl FnOnce(T)) {
        let directory = tempfile::tempdir().unwrap();
        let marks = [directory.path().display().to_string()];
        let before = Census::take().unwrap();
        let left = leave(directory.path());
        // A process shows its arguments a moment after it was started.
        let is_found = || {
            let found = Census::take().unwrap().leftovers(&before, &marks);
            found.iter().any(|thing| thing.kind == kind)
        };
        assert!((0..100).any(|_| is_found()), "{kind} is not found");
        assert!(Census::take().unwrap().leftovers(&before, &["nobody's".into()]).is_empty());
        clear(left);
        let found = Census::take().unwrap().leftovers(&before, &marks);
        assert!(found.iter().all(|thing| thing.kind != kind), "{found:?}");
    }

    #[test]
    fn a_socket_is_found() {
        check("socket", |path| UnixListener::bind(path.join("s")).unwrap(), drop);
    }

    #[test]
    fn a_process_is_found_by_its_arguments_and_by_its_directory() {
        let end = |mut child: std::process::Child| {
            child.kill().unwrap();
            while child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
        };
        check("process", |path| tail(path).arg(path.join("log")).spawn().unwrap(), end);
        check("process", |path| tail(path).current_dir(path).spawn().unwrap(), end);
    }

    fn tail(path: &std::path::Path) -> Command {
        std::fs::write(path.join("log"), "").unwrap();
        let mut command = Command::new("tail");
        command.args(["-f", "/dev/null"]);
        command
    }
}

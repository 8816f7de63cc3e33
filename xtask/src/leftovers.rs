//! Whether a run left anything of its own behind.
//!
//! All that a run makes can be told by a mark: its programs have it in their environment, its files,
//! sockets and mounts in their path. Control groups and what a host has of networks have no room for
//! it; of them those count that are called as ours are and were not there before.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

/// What was there before a run.
#[derive(Debug)]
pub(crate) struct Leftovers {
    mark: String,
    named_before: BTreeSet<String>,
    /// The tools that the run was given.
    files_before: Vec<String>,
}

impl Leftovers {
    /// For a run whose temporary directory is `directory`.
    pub(crate) fn before(directory: &Path) -> Self {
        let mark = directory.display().to_string();
        Self { named_before: named(), files_before: entries(&mark), mark }
    }

    /// What the run left, a line for each thing.
    pub(crate) fn after(&self) -> Vec<String> {
        let mark = &*self.mark;
        let lines = |file: &str, what: &str| -> Vec<String> {
            let text = fs::read_to_string(file).unwrap_or_default();
            let marked = text.lines().filter(|line| line.contains(mark));
            marked.map(|line| format!("{what}: {line}")).collect()
        };
        let mut found = processes(mark);
        found.extend(lines("/proc/self/mounts", "mount"));
        found.extend(lines("/proc/net/unix", "socket"));
        let files = entries(mark).into_iter().filter(|name| !self.files_before.contains(name));
        found.extend(files.map(|name| format!("file: {mark}/{name}")));
        found.extend(named().difference(&self.named_before).cloned());
        found
    }
}

/// Of others' processes an ordinary user sees the arguments only.
fn processes(mark: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let ids = entries("/proc")
        .into_iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own);
    let describe = |id: String| {
        let read = |file: &str| fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let environment = read("environ");
        // A VM's supervisor and its processes work in the VM's directory.
        let works_there = fs::read_link(format!("/proc/{id}/cwd"))
            .is_ok_and(|directory| directory.to_string_lossy().contains(mark));
        let is_marked = works_there
            || arguments.contains(mark)
            || environment.windows(mark.len()).any(|window| window == mark.as_bytes());
        is_marked.then(|| format!("process {id}: {arguments}"))
    };
    ids.filter_map(describe).collect()
}

fn named() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut collect = |kind: &str, directory: &str| {
        let ours = entries(directory).into_iter().filter(|name| name.starts_with("kiln"));
        found.extend(ours.map(|name| format!("{kind}: {directory}/{name}")));
    };
    collect("control group", "/sys/fs/cgroup");
    // The hierarchies of version 1, or the groups of version 2; a daemon's own group may be below
    // one of those.
    for hierarchy in entries("/sys/fs/cgroup") {
        let hierarchy = format!("/sys/fs/cgroup/{hierarchy}");
        collect("control group", &hierarchy);
        for group in entries(&hierarchy) {
            collect("control group", &format!("{hierarchy}/{group}"));
        }
    }
    let networks = NETWORKS.iter();
    found.extend(networks.flat_map(|(what, program, arguments)| listed(what, program, arguments)));
    found
}

/// What a host has of machines' networks, by the programs that list it: links by their alias, rules
/// and routes by their mark, tables by their name.
const NETWORKS: [(&str, &str, &[&str]); 6] = [
    ("interface", "ip", &["-o", "link", "show"]),
    ("rule", "ip", &["-4", "-N", "rule", "show"]),
    ("rule", "ip", &["-6", "-N", "rule", "show"]),
    ("route", "ip", &["-4", "-N", "-o", "route", "show", "table", "all"]),
    ("route", "ip", &["-6", "-N", "-o", "route", "show", "table", "all"]),
    ("table", "nft", &["list", "tables"]),
];
/// Of the protocol that our rules and routes are marked with.
const MARK: &str = "proto 75";

/// Nothing, where the program is not there or is not for us: then nothing of it was made either.
fn listed(what: &str, program: &str, arguments: &[&str]) -> Vec<String> {
    let Ok(output) = Command::new(program).args(arguments).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let ours = text.lines().filter(|line| {
        line.contains(" alias kiln ")
            || line.contains(": kiln")
            || line.contains(" kiln_")
            || line.contains(MARK)
    });
    ours.map(|line| format!("{what}: {line}")).collect()
}

fn entries(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{program, temporary::TemporaryDirectory};

    #[test]
    fn a_file_and_a_process_are_seen_and_their_absence_too() {
        let directory = TemporaryDirectory::new("leftovers").unwrap();
        fs::write(directory.path().join("tool"), "").unwrap();
        let leftovers = Leftovers::before(directory.path());
        fs::write(directory.path().join("file"), "").unwrap();
        let mut sleep = program::command("sleep", ["60"]);
        let mut child = program::spawn(sleep.env("TMPDIR", directory.path())).unwrap();
        // The environment shows once the program runs.
        let mut left = leftovers.after();
        while left.len() < 2 {
            left = leftovers.after();
        }
        assert!(left.iter().any(|line| line.contains("sleep 60")), "{left:?}");
        child.kill().unwrap();
        program::wait(&mut child).unwrap();
        fs::remove_file(directory.path().join("file")).unwrap();
        assert_eq!(leftovers.after(), [""; 0]);
        directory.remove().unwrap();
    }
}

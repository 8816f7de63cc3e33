//! A host's network at one moment, to be compared with another.

use std::fmt;

use crate::Namespace;

const COMMANDS: &[(&str, &[&str])] = &[
    ("ip", &["-d", "link"]),
    ("ip", &["address"]),
    ("ip", &["neigh", "show", "nud", "permanent"]),
    ("ip", &["-4", "rule"]),
    ("ip", &["-6", "rule"]),
    ("ip", &["-4", "route", "show", "table", "all"]),
    ("ip", &["-6", "route", "show", "table", "all"]),
    ("nft", &["list", "ruleset"]),
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    lines: Vec<String>,
}

impl Picture {
    pub(super) fn of(namespace: &Namespace) -> anyhow::Result<Self> {
        let mut lines = Vec::new();
        for (program, arguments) in COMMANDS {
            let told = namespace.run(program, arguments)?;
            let of = format!("{program} {}", arguments.join(" "));
            lines.extend(told.lines().map(|line| format!("{of}: {}", steady(line))));
        }
        lines.extend(namespace.within(settings)?);
        Ok(Self { lines })
    }

    /// What has changed since, as the other has it.
    pub fn difference(&self, other: &Self) -> Difference {
        let only_in = |these: &Self, those: &Self| {
            these.lines.iter().filter(|line| !those.lines.contains(line)).cloned().collect()
        };
        Difference { gone: only_in(self, other), new: only_in(other, self) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub gone: Vec<String>,
    pub new: Vec<String>,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gone.iter().try_for_each(|line| writeln!(formatter, "- {line}"))?;
        self.new.iter().try_for_each(|line| writeln!(formatter, "+ {line}"))
    }
}

/// Without what a clock moves.
fn steady(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if let Some(at) = words.iter().position(|word| *word == "expires") {
        words.drain(at..(at + 2).min(words.len()));
    }
    words.join(" ")
}

/// Everything below `net` that can be read, but for counters.
fn settings() -> Vec<String> {
    const COUNTS: [&str; 3] = ["nf_conntrack_count", "nf_conntrack_buckets", "stable_secret"];
    let mut lines = Vec::new();
    let mut below = vec![std::path::PathBuf::from("/proc/sys/net")];
    while let Some(directory) = below.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                below.push(path);
            } else if COUNTS.iter().all(|count| !path.ends_with(count))
                && let Ok(value) = std::fs::read_to_string(&path)
            {
                lines.push(format!("{}: {}", path.display(), value.trim()));
            }
        }
    }
    lines.sort();
    lines
}

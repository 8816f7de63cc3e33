//! What a policy found, and what became of it.

use std::fmt;

use super::{Device, Devices, Escape, Policy, Privilege, Privileged, Rule, secret::Secret, shown};
use crate::removal::Freed;

/// In the order of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub removed: Vec<Removed>,
    pub spared: Vec<Spared>,
    /// How many files were too long to be looked into.
    pub unread: u64,
    pub privileged: Vec<Privileged>,
    pub devices: Vec<Device>,
    pub escapes: Vec<Escape>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// All names that the file had.
    pub paths: Vec<Vec<u8>>,
    pub secret: Secret,
    pub action: Action,
    pub freed: Freed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Removed,
    /// The file stays with nothing in it, because its being there means something.
    Emptied,
}

/// Looks like a secret and stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spared {
    pub paths: Vec<Vec<u8>>,
    pub secret: Secret,
    pub because: SparedBecause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SparedBecause {
    /// It is what a package of the distribution brought.
    Packaged,
    /// It is a key among what a language's package manager laid down, such as `node_modules`.
    Dependency,
    /// The policy names it.
    Kept,
}

/// Why there is no root filesystem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    pub privileged: Vec<Privileged>,
    pub devices: Vec<Device>,
}

impl Refusals {
    pub(super) fn of(privileged: &[Privileged], devices: &[Device], policy: &Policy) -> Self {
        let refused = privileged.iter().filter(|one| one.rule(policy) == Rule::Refuse);
        let devices = if policy.devices == Devices::Refuse { devices } else { &[] };
        Self { privileged: refused.cloned().collect(), devices: devices.to_vec() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.privileged.is_empty() && self.devices.is_empty()
    }
}

/// The first few of them; the others are counted.
impl fmt::Display for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        let privileged = self.privileged.iter().map(|one| {
            let what = match one.privilege {
                Privilege::SetUser => "setuid",
                Privilege::SetGroup => "setgid",
                Privilege::Capabilities => "with capabilities",
                Privilege::WorldWritable => "writable by everyone",
            };
            format!("{} ({what})", shown(&one.path))
        });
        let devices = self.devices.iter().map(|one| format!("{} (a device)", shown(&one.path)));
        let all: Vec<String> = privileged.chain(devices).collect();
        formatter.write_str(&all[..all.len().min(SHOWN)].join(", "))?;
        match all.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}

//! What policies took, and what they only tell of.

use serde::Serialize;

use crate::{
    harden::{self, Action, Privilege, SparedBecause},
    optimise,
};

#[derive(Debug, Serialize)]
pub(super) struct Excess {
    pub(super) name: &'static str,
    pub(super) names: u64,
    pub(super) bytes: u64,
    pub(super) places: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Hardened {
    pub(super) removed: Vec<Removed>,
    pub(super) spared: Vec<Spared>,
    /// Files that were too long to be looked into.
    pub(super) unread: u64,
    pub(super) privileged: Vec<Privileged>,
    pub(super) devices: Vec<Device>,
    /// Links that lead out of the root when it is not the root of who follows them.
    pub(super) escapes: Vec<Escape>,
}

#[derive(Debug, Serialize)]
pub(super) struct Removed {
    pub(super) paths: Vec<String>,
    pub(super) secret: String,
    pub(super) action: &'static str,
    pub(super) bytes: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Spared {
    pub(super) paths: Vec<String>,
    pub(super) secret: String,
    pub(super) because: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Privileged {
    pub(super) path: String,
    pub(super) what: &'static str,
    pub(super) mode: String,
    pub(super) stripped: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Device {
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) major: u32,
    pub(super) minor: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct Escape {
    pub(super) path: String,
    pub(super) target: String,
}

impl Excess {
    pub(super) fn all(report: &optimise::Report) -> Vec<Self> {
        let excess = |part: &optimise::Part| {
            let freed = part.freed();
            Self {
                name: part.excess.name(),
                names: freed.names,
                bytes: freed.bytes,
                places: part.places.iter().map(|place| shown(&place.path)).collect(),
            }
        };
        report.parts.iter().map(excess).collect()
    }
}

impl Hardened {
    pub(super) fn of(report: &harden::Report) -> Self {
        let harden::Report { removed, spared, unread, privileged, devices, escapes } = report;
        Self {
            removed: removed.iter().map(Removed::of).collect(),
            spared: spared.iter().map(Spared::of).collect(),
            unread: *unread,
            privileged: privileged.iter().map(Privileged::of).collect(),
            devices: devices.iter().map(Device::of).collect(),
            escapes: escapes.iter().map(Escape::of).collect(),
        }
    }
}

impl Removed {
    fn of(removed: &harden::Removed) -> Self {
        let harden::Removed { paths, secret, action, freed } = removed;
        Self {
            paths: all_shown(paths),
            secret: secret.to_string(),
            action: match action {
                Action::Removed => "removed",
                Action::Emptied => "emptied",
            },
            bytes: freed.bytes,
        }
    }
}

impl Spared {
    fn of(spared: &harden::Spared) -> Self {
        let harden::Spared { paths, secret, because } = spared;
        Self {
            paths: all_shown(paths),
            secret: secret.to_string(),
            because: match because {
                SparedBecause::Packaged => "packaged",
                SparedBecause::Dependency => "dependency",
                SparedBecause::Kept => "kept",
            },
        }
    }
}

impl Privileged {
    fn of(privileged: &harden::Privileged) -> Self {
        Self {
            path: shown(&privileged.path),
            what: match privileged.privilege {
                Privilege::SetUser => "setuid",
                Privilege::SetGroup => "setgid",
                Privilege::Capabilities => "capabilities",
                Privilege::WorldWritable => "world-writable",
            },
            mode: format!("{:04o}", privileged.mode),
            stripped: privileged.stripped,
        }
    }
}

impl Device {
    fn of(device: &harden::Device) -> Self {
        let harden::Device { path, is_block, major, minor } = device;
        let kind = if *is_block { "block" } else { "character" };
        Self { path: shown(path), kind, major: *major, minor: *minor }
    }
}

impl Escape {
    fn of(escape: &harden::Escape) -> Self {
        let harden::Escape { path, target } = escape;
        Self { path: shown(path), target: kiln_archive::shown(target) }
    }
}

fn all_shown(paths: &[Vec<u8>]) -> Vec<String> {
    paths.iter().map(|path| shown(path)).collect()
}

fn shown(path: &[u8]) -> String {
    format!("/{}", kiln_archive::shown(path))
}

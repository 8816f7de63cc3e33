//! Named moments of a job's life, at which a test may end the daemon.
//!
//! Nothing here does anything unless a program installs a hook, which `kilnd` never does.

use std::sync::OnceLock;

/// Between two points lies one step that changes something outside the process. In the order in
/// which a job meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// The request is checked; nothing is written.
    Submitting,
    /// The job is durable; nobody has been told.
    Submitted,
    /// It has its turn; nothing of that is written.
    Turn,
    /// `running` is durable.
    Begun,
    /// Its number is written down.
    Numbered,
    /// Its VM's directory is made.
    Directory,
    /// Its cgroup is made.
    Cgroup,
    /// Its disks are made.
    Disks,
    /// Its image is there. Only of a root filesystem whose image the host brings.
    Fetched,
    /// Its network is made, and shut; nothing is in it.
    Network,
    /// Its VMM runs, the guest does not.
    Created,
    /// The guest runs.
    Booted,
    /// The agent has answered.
    Greeted,
    /// Its sources are in the guest.
    Unpacked,
    /// Its engine is ready, and its contexts are there. Only of a build.
    EngineReady,
    /// `started` is durable; the exec is not sent.
    Marked,
    /// The agent says that the command runs.
    Started,
    /// What its guest asked for is let through; the gateway has not been told. Only where a guest
    /// asks for anything.
    Admitted,
    /// What the registry served, or refused, is written down. Only where a guest asks for anything.
    Served,
    /// Output is in the log; the agent has not been told.
    Logged,
    /// The command is over; that is not written down.
    Exited,
    /// How it ended is durable.
    ExitRecorded,
    /// An output is on its disk.
    Packed,
    /// An output is the host's, hashed.
    Ingested,
    /// It was booted, or is not to be; what is said of it is not written. Only of a root filesystem.
    Checked,
    /// What goes to registries outside is there; nothing has a name here. Only of a build.
    Pushed,
    /// One of its images has its names here, or one of its caches. Only of a build.
    Named,
    /// Its images are pushed and have their names; the record does not say so. Only of a build.
    Published,
    /// What its images are called is durable; that it has outputs is not. Only of a build.
    Recorded,
    /// The log is sealed; the job's end is not written down.
    Sealed,
    /// The job's end is durable.
    Ended,
    /// The VM is gone.
    VmGone,
    /// Its network is gone.
    NetworkGone,
    /// The directory is gone.
    DirectoryGone,
    /// That everything is given back is durable.
    Released,
}

impl Point {
    pub const ALL: &[Self] = &[
        Self::Submitting,
        Self::Submitted,
        Self::Turn,
        Self::Begun,
        Self::Numbered,
        Self::Directory,
        Self::Cgroup,
        Self::Disks,
        Self::Fetched,
        Self::Network,
        Self::Created,
        Self::Booted,
        Self::Greeted,
        Self::Unpacked,
        Self::EngineReady,
        Self::Marked,
        Self::Started,
        Self::Admitted,
        Self::Served,
        Self::Logged,
        Self::Exited,
        Self::ExitRecorded,
        Self::Packed,
        Self::Ingested,
        Self::Checked,
        Self::Pushed,
        Self::Named,
        Self::Published,
        Self::Recorded,
        Self::Sealed,
        Self::Ended,
        Self::VmGone,
        Self::NetworkGone,
        Self::DirectoryGone,
        Self::Released,
    ];

    /// No other job meets it.
    pub const fn is_of_builds(self) -> bool {
        matches!(
            self,
            Self::EngineReady | Self::Pushed | Self::Named | Self::Published | Self::Recorded
        )
    }

    /// No other job meets it but one that makes a root filesystem.
    pub const fn is_of_root_filesystems(self) -> bool {
        matches!(self, Self::Fetched | Self::Checked)
    }

    /// What a test calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submitting => "submitting",
            Self::Submitted => "submitted",
            Self::Turn => "turn",
            Self::Begun => "begun",
            Self::Numbered => "numbered",
            Self::Directory => "directory",
            Self::Cgroup => "cgroup",
            Self::Disks => "disks",
            Self::Fetched => "fetched",
            Self::Network => "network",
            Self::Created => "created",
            Self::Booted => "booted",
            Self::Greeted => "greeted",
            Self::Unpacked => "unpacked",
            Self::EngineReady => "engine-ready",
            Self::Marked => "marked",
            Self::Started => "started",
            Self::Admitted => "admitted",
            Self::Served => "served",
            Self::Logged => "logged",
            Self::Exited => "exited",
            Self::ExitRecorded => "exit-recorded",
            Self::Packed => "packed",
            Self::Ingested => "ingested",
            Self::Checked => "checked",
            Self::Pushed => "pushed",
            Self::Named => "named",
            Self::Published => "published",
            Self::Recorded => "recorded",
            Self::Sealed => "sealed",
            Self::Ended => "ended",
            Self::VmGone => "vm-gone",
            Self::NetworkGone => "network-gone",
            Self::DirectoryGone => "directory-gone",
            Self::Released => "released",
        }
    }
}

type Hook = Box<dyn Fn(Point) + Send + Sync>;

static HOOK: OnceLock<Hook> = OnceLock::new();

/// For test programs, once: calls `hook` at every point from now on. False if there is one already.
pub fn install(hook: impl Fn(Point) + Send + Sync + 'static) -> bool {
    HOOK.set(Box::new(hook)).is_ok()
}

pub(crate) fn at(point: Point) {
    if let Some(hook) = HOOK.get() {
        hook(point);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Point;

    #[test]
    fn every_point_is_listed_once_in_order() {
        let names: HashSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Point::ALL.len());
        assert!(Point::ALL.iter().enumerate().all(|(index, point)| *point as usize == index));
        assert_eq!(Point::ALL.last(), Some(&Point::Released));
    }
}

//! Why a program was not started.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Nothing runs, and nothing is left but the owners and modes of what was checked before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum LaunchFailure {
    #[error("{} cannot be in its jail: {fault}", path.display())]
    Path { path: PathBuf, fault: PathFault },
    #[error("the user {id} cannot be its own")]
    User { id: u32 },
    #[error("it cannot be given that network")]
    Network { errno: i32 },
    #[error("{what} cannot be made")]
    Make { what: String, errno: i32 },
    #[error("its cgroup {} cannot be joined", directory.display())]
    Cgroup { directory: PathBuf, errno: i32 },
    #[error("{} cannot be put into its jail", path.display())]
    Mount { path: PathBuf, errno: i32 },
    #[error("{step}")]
    Step { step: Step, errno: i32 },
    #[error("{} cannot be executed{}", program.display(), hint(*errno))]
    Exec { program: PathBuf, errno: i32 },
    /// It ended before it could say why.
    #[error("it was killed on its way into its jail")]
    Killed,
}

/// What is wrong with a path of a jail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum PathFault {
    #[error("it is not absolute, or goes back on itself")]
    NotPlain,
    #[error("it is named twice")]
    Twice,
    #[error("it is below {}, which is there as well", other.display())]
    Within { other: PathBuf },
    #[error("it is not below the machine's directory {}", directory.display())]
    Outside { directory: PathBuf },
    #[error("it is not there")]
    Absent,
    #[error("there is a symbolic link on the way to it, which is not followed")]
    Link,
    #[error("it is not a {expected}")]
    Kind { expected: Kind },
    #[error("{links} names lead to it, and the others may be somebody else's")]
    Links { links: u64 },
    #[error("users other than its owner cannot read it; allow it with `chmod o+r`")]
    Unreadable,
    #[error("it cannot be used")]
    Io { errno: i32 },
}

/// What must be found at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    File,
    Directory,
    CharacterDevice,
}

/// What a child does on its way to its program, where that concerns no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Parent,
    Network,
    Session,
    Limits,
    Signals,
    CoreScheduling,
    Mounts,
    Root,
    RootReadOnly,
    Enter,
    OldRoot,
    Directory,
    Descriptors,
    Bounding,
    Groups,
    User,
    Capabilities,
    NewPrivileges,
    Landlock,
    Filter,
}

impl LaunchFailure {
    /// The system's own word for it, where there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Path { fault: PathFault::Io { errno }, .. }
            | Self::Network { errno }
            | Self::Make { errno, .. }
            | Self::Cgroup { errno, .. }
            | Self::Mount { errno, .. }
            | Self::Step { errno, .. }
            | Self::Exec { errno, .. } => Some(*errno),
            Self::Path { .. } | Self::User { .. } | Self::Killed => None,
        }
    }

    pub(crate) fn path(path: &Path, fault: PathFault) -> Self {
        Self::Path { path: path.to_owned(), fault }
    }

    pub(crate) fn make(what: &str, error: impl Into<std::io::Error>) -> Self {
        Self::Make { what: what.to_owned(), errno: errno(&error.into()) }
    }
}

impl Step {
    pub(crate) const ALL: [Self; 20] = [
        Self::Parent,
        Self::Network,
        Self::Session,
        Self::Limits,
        Self::Signals,
        Self::CoreScheduling,
        Self::Mounts,
        Self::Root,
        Self::RootReadOnly,
        Self::Enter,
        Self::OldRoot,
        Self::Directory,
        Self::Descriptors,
        Self::Bounding,
        Self::Groups,
        Self::User,
        Self::Capabilities,
        Self::NewPrivileges,
        Self::Landlock,
        Self::Filter,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Parent => "its supervisor died meanwhile",
            Self::Network => "it cannot join the network that it is given",
            Self::Session => "it cannot lead a session",
            Self::Limits => "its resource limits cannot be set",
            Self::Signals => "its signals cannot be reset",
            Self::CoreScheduling => "it cannot have cores of its own",
            Self::Mounts => "its mounts cannot be parted from the host's",
            Self::Root => "its root cannot be mounted",
            Self::RootReadOnly => "its root cannot be made read-only",
            Self::Enter => "its root cannot be entered",
            Self::OldRoot => "the host's root cannot be left",
            Self::Directory => "the machine's directory is not in its jail",
            Self::Descriptors => "its descriptors cannot be put in order",
            Self::Bounding => "capabilities cannot be put out of its reach",
            Self::Groups => "its groups cannot be set",
            Self::User => "it cannot become its own user",
            Self::Capabilities => "its capabilities cannot be dropped",
            Self::NewPrivileges => "new privileges cannot be put out of its reach",
            Self::Landlock => "the rules of Landlock cannot be put upon it",
            Self::Filter => "its system calls cannot be filtered",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::File => "regular file",
            Self::Directory => "directory",
            Self::CharacterDevice => "character device",
        })
    }
}

pub(crate) fn errno(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// In a jail the program is there, or it would not have been mounted.
fn hint(errno: i32) -> &'static str {
    match errno {
        libc::ENOENT => "; it, or its loader, is not there",
        libc::EACCES => "; it, or its loader, is not executable for everybody",
        _ => "",
    }
}

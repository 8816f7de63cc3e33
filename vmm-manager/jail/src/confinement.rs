//! What a jail came to, as its program met it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Profile;

/// Written down by the child itself, one step before its program. Whatever has no field here
/// (capabilities, new privileges, descriptors, limits) is never left out: without it nothing starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Whose it is. `None`: its starter's, and then its root, its network and the processes that it
    /// sees are its starter's as well.
    pub user: Option<u32>,
    /// The system calls that each of its threads may make.
    pub profile: Profile,
    /// The version of Landlock's rules that hold; `None` on a kernel that has none.
    pub landlock: Option<u32>,
    pub core_scheduling: CoreScheduling,
    /// It is in a network that it was given; otherwise in an empty one, if it has a user.
    #[serde(default)]
    pub network: bool,
}

/// Whether a core's other thread may run somebody else meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoreScheduling {
    /// A core runs this machine, or something else, and never both.
    Own,
    /// No core here has two threads.
    NotNeeded,
    /// The kernel cannot.
    Unsupported,
}

impl CoreScheduling {
    pub(crate) const ALL: [Self; 3] = [Self::Own, Self::NotNeeded, Self::Unsupported];
}

/// What a jail lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    OwnUser,
    Landlock,
    CoreScheduling,
}

impl Confinement {
    /// Everything that a jail can be.
    pub fn is_full(&self) -> bool {
        self.shortfalls().is_empty()
    }

    pub fn shortfalls(&self) -> Vec<Shortfall> {
        let Self { user, profile: _, landlock, core_scheduling, network: _ } = self;
        let lacks = [
            (user.is_none(), Shortfall::OwnUser),
            (landlock.is_none(), Shortfall::Landlock),
            (*core_scheduling == CoreScheduling::Unsupported, Shortfall::CoreScheduling),
        ];
        lacks.into_iter().filter_map(|(lacks, what)| lacks.then_some(what)).collect()
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OwnUser => "it runs as the daemon's user, with the host's root and network",
            Self::Landlock => "the kernel has no Landlock",
            Self::CoreScheduling => {
                "cores have two threads, and the kernel cannot keep others off them"
            }
        })
    }
}

//! What stands in the way of the nested stories.

use std::fmt;

/// Why none of them is told here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    CloudHypervisor,
    /// Guests can't be run here, for this reason, and neither can an outer host.
    Outer {
        native: String,
        lacks: Lack,
    },
}

/// What an outer host would need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    Architecture,
    Program(&'static str),
    Modules(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloudHypervisor => {
                formatter.write_str("no cloud-hypervisor on PATH: install version 53 or later")
            }
            Self::Outer { native, lacks } => {
                write!(formatter, "KVM runs no guests here ({native}), and {lacks}")
            }
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Architecture => formatter.write_str("an outer host is made on x86-64 alone"),
            Self::Program(name) => write!(formatter, "an outer host needs {name}"),
            Self::Modules(why) => {
                write!(formatter, "the modules of an outer host are not to be had: {why}")
            }
        }
    }
}

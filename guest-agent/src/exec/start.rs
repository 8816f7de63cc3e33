//! With what a stream begins.

use std::sync::Arc;

use kiln_proto::agent::v1::{BootStart, BuildStart, ExecStart};

use crate::{
    build::{Asked, Builds},
    machine::Machine,
};

/// A command, or a build, which runs as one, or a machine, which is told of as one.
pub(crate) enum Start {
    Command(ExecStart),
    /// Its id is never empty: [`Start::build`].
    Build(Box<Asked>, Arc<Builds>),
    /// Its id is never empty: [`Start::boot`].
    Boot(Box<BootStart>, Arc<Machine>),
}

/// What a start is compared by: all of it but where its output goes on and what is brought along.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Begun {
    Command(ExecStart),
    Build(Box<BuildStart>),
    Boot(Box<BootStart>),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a build and a boot have an id")]
pub(crate) struct NoId;

impl Start {
    pub(crate) fn build(asked: Asked, builds: Arc<Builds>) -> Result<Self, NoId> {
        if asked.start.id.is_empty() { Err(NoId) } else { Ok(Self::Build(Box::new(asked), builds)) }
    }

    pub(crate) fn boot(start: BootStart, machine: Arc<Machine>) -> Result<Self, NoId> {
        if start.id.is_empty() { Err(NoId) } else { Ok(Self::Boot(Box::new(start), machine)) }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Self::Command(start) => &start.id,
            Self::Build(asked, _) => &asked.start.id,
            Self::Boot(start, _) => &start.id,
        }
    }

    pub(super) fn has_stdin(&self) -> bool {
        matches!(self, Self::Command(start) if start.stdin)
    }

    pub(super) fn has_terminal(&self) -> bool {
        matches!(self, Self::Command(start) if start.terminal.is_some())
    }

    /// With the offset from which output is to be sent.
    pub(super) fn begun(&self) -> (Begun, u64) {
        match self {
            Self::Command(start) => {
                let offset = start.output_offset;
                (Begun::Command(ExecStart { output_offset: 0, ..start.clone() }), offset)
            }
            Self::Build(asked, _) => {
                let start = &asked.start;
                let offset = start.output_offset;
                let begun = BuildStart { output_offset: 0, resumed: false, ..start.clone() };
                (Begun::Build(Box::new(begun)), offset)
            }
            Self::Boot(start, _) => {
                let begun = BootStart { output_offset: 0, ..BootStart::clone(start) };
                (Begun::Boot(Box::new(begun)), start.output_offset)
            }
        }
    }
}

//! From a checked command to a child that is about to become its program. Runs on a thread of its
//! own: it reads the guest's files, and those may be on a disk that is stuck.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::time::Instant;

use super::refusal::{Refusal, Subject};
use crate::{
    command::Command,
    group::{Groups, OwnedGroup},
    machine::Door,
    process::{Cloned, Ends, Image, Plan, Stdio},
    reaper::{Exit, Reaper},
    user,
};

/// A child between its birth and its program. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Born {
    pub(super) group: OwnedGroup,
    pub(super) child: Cloned,
    pub(super) exit: Exit,
    /// Closes without a word when the program is executed.
    pub(super) report: OwnedFd,
    pub(super) ends: Ends,
    pub(super) at: Instant,
    pub(super) subject: Subject,
}

impl Born {
    pub(super) fn give_birth(
        command: &Command,
        etc: &Path,
        door: Option<&Door>,
        reaper: &Reaper,
        groups: &dyn Groups,
    ) -> Result<Self, Refusal> {
        let identity = user::look_up(&command.user, etc)?;
        let image = Image {
            candidates: command.candidates(),
            argv: command.argv(),
            environment: command.environment(&identity.home),
            working_directory: &command.working_directory,
            identity,
            door,
        };
        let group = groups.create(&command.limits).map_err(agent("make a control group"))?;
        let group = OwnedGroup::new(group);
        let (child, (report, ends, at), exit) = reaper
            .spawn(|| {
                // No other child is born meanwhile, so none gets a copy of the far ends of these
                // pipes: each pipe ends when the last process of this command lets go of it.
                let (report, far_report) = pipe_with(PipeFlags::CLOEXEC)?;
                let stdio = Stdio::open(command.streams, &image.identity)?;
                let at = Instant::now();
                let child = group.start(&Plan::new(&image, &stdio, far_report.as_fd()))?;
                Ok((child, (report, stdio.into_ends(), at)))
            })
            .map_err(agent("start a process"))?;
        let subject = Subject::new(command, image.candidates);
        Ok(Self { group, child, exit, report, ends, at, subject })
    }
}

fn agent(what: &'static str) -> impl FnOnce(io::Error) -> Refusal {
    move |source| Refusal::Agent { what, source }
}

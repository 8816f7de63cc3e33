//! What a root filesystem boots into: the image's command, by one of three ways.
//!
//! | way | process 1 | the image needs |
//! |---|---|---|
//! | [`Direct`] | `/.kiln/init`, which runs the command as docker would and ends the machine with it | nothing |
//! | [`Strategy::Systemd`] | the image's systemd, with a unit for the command | systemd |
//! | [`Custom`] | a program or script of the image's | that |
//!
//! What would fail at boot fails here: a command that is missing, that its user may not run, that is of
//! another architecture, or whose interpreter is missing. What the image has is never overwritten: where
//! its `/sbin/init` is something else, the kernel has to be told (`init=`), which [`Installed`] says.

mod command;
mod content;
mod custom;
mod default;
mod direct;
mod elf;
mod error;
mod image;
mod interpreter;
mod place;
mod plant;
mod program;
mod systemd;
#[cfg(test)]
mod tests;

pub use kiln_init::Memory;

pub use self::{
    command::CommandError,
    content::ContentError,
    custom::Custom,
    direct::Direct,
    error::InitError,
    image::{ImageCommand, InvalidConfig},
    place::PlaceError,
    program::ProgramError,
    systemd::SystemdError,
};
use crate::{
    store::Store,
    tree::{Time, Tree},
};

#[derive(Clone, Debug)]
pub enum Strategy {
    Direct(Direct),
    /// The image's systemd, with a unit for the command.
    Systemd,
    Custom(Custom),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Process 1: the kernel boots it with `init=` and this.
    pub program: String,
    /// Whether the kernel finds it without being told.
    pub found_by_default: bool,
    /// The unit that runs the command, where systemd does.
    pub unit: Option<String>,
    /// What there was not, by its path, in the order in which it was made.
    pub made: Vec<String>,
}

/// `made_at` is the time of all that is made.
pub fn install(
    tree: &mut Tree,
    store: &mut Store,
    image: &ImageCommand,
    strategy: &Strategy,
    made_at: Time,
) -> Result<Installed, InitError> {
    let mut plant = plant::Plant::new(tree, store, made_at);
    let (program, unit) = match strategy {
        Strategy::Direct(direct) => (direct.install(&mut plant, image)?, None),
        Strategy::Systemd => systemd::install(&mut plant, image)?,
        Strategy::Custom(custom) => (custom.install(&mut plant, image)?, None),
    };
    let found_by_default = default::link(&mut plant, &program)?;
    Ok(Installed { program, found_by_default, unit, made: plant.made() })
}

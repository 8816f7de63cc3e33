//! Takes secrets out of a tree, and holds it to rules on what a root filesystem may have.
//!
//! Secrets are known by their place (`.aws/credentials` below any directory, `/etc/machine-id`) and by
//! what files of up to 1 MiB say (a private key, a token with its check digits). Links are followed
//! inside the tree alone. A file goes with all of its names. What a package manager laid down and nobody
//! changed since is no secret, for everyone has it: test keys stay where they came with a package, and
//! where packages of languages stand.
//!
//! This finds what was left behind by mistake. Who wants to hide a secret from it can.

mod content;
mod dependency;
mod devices;
mod escapes;
mod follow;
mod packaged;
mod places;
mod privileges;
mod report;
mod search;
mod secret;
#[cfg(test)]
mod tests;

use std::io;

pub use self::{
    devices::Device,
    escapes::Escape,
    privileges::{Privilege, Privileged},
    report::{Action, Refusals, Removed, Report, Spared, SparedBecause},
    secret::{KeyFormat, Secret},
};
use crate::{removal::Removal, store::Store, tree::Tree};

/// What is done about something that is sometimes wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// It stays and is told of.
    #[default]
    Report,
    /// The right is taken away, and that is told of.
    Strip,
    /// There is no root filesystem then.
    Refuse,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Devices {
    #[default]
    Keep,
    Refuse,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Paths whose secrets stay, and all below them, without `/` around; an empty one is the root's.
    pub kept: Vec<Vec<u8>>,
    /// Programs that run with the rights of their owner or group.
    pub set_id: Rule,
    /// Programs that run with more of root's rights than who starts them.
    pub capabilities: Rule,
    /// Whatever everyone may change, but directories where nobody may delete what is another's.
    pub world_writable: Rule,
    pub devices: Devices,
}

#[derive(Debug, thiserror::Error)]
pub enum HardenError {
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("the policy refuses {0}; remove what it names or choose another policy")]
    Refused(Refusals),
}

/// Nothing is changed if something is refused.
pub fn harden(tree: &mut Tree, store: &Store, policy: &Policy) -> Result<Report, HardenError> {
    let privileged = privileges::find(tree, policy);
    let devices = devices::find(tree);
    let refusals = Refusals::of(&privileged, &devices, policy);
    if !refusals.is_empty() {
        return Err(HardenError::Refused(refusals));
    }
    let escapes = escapes::find(tree);
    let found = search::find(tree, store, &policy.kept)?;
    privileges::strip(tree, &privileged);
    let mut removal = Removal::new(tree);
    let removed = search::remove(&mut removal, found.taken);
    Ok(Report { removed, spared: found.spared, unread: found.unread, privileged, devices, escapes })
}

fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path).escape_debug())
}

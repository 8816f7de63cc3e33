//! Whose process the supervisor is, and what it may do.
//!
//! ```text
//! root, by the helper ──▶ the keeper's, START permitted ──▶ each program ──▶ the keeper's, KILL alone
//!                         KILL in effect                    START in effect
//!
//! whoever kilnd is ─────▶ as it was
//! ```
//!
//! What it does by itself, in a directory that its keeper owns, it does with the keeper's rights.
//! [`KILL`] stays to the end: programs have users of their own, and when a supervisor is killed, the
//! kernel sends their death signal in its name and with its rights.

use std::io;

use rustix::{
    fs::{Gid, Uid},
    thread::{CapabilitySet, set_keep_capabilities, set_thread_res_gid, set_thread_res_uid},
};

use crate::privileges::{KILL, Keeper, START, become_user, bound, put_in_effect};

/// How the helper says who the keeper is.
pub const KEEPER: &str = "--keeper";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Without privileges, or with those of a kilnd that keeps its own.
    AsStarted,
    /// Started as root, for this one.
    For(Keeper),
}

impl Standing {
    /// As the command line says; `None` for one that is not understood.
    pub(super) fn asked(arguments: &mut impl Iterator<Item = String>) -> Option<Self> {
        match (arguments.next().as_deref(), arguments.next()) {
            (None, None) => Some(Self::AsStarted),
            (Some(KEEPER), Some(keeper)) => {
                let (uid, gid) = keeper.split_once(':')?;
                Some(Self::For(Keeper { uid: uid.parse().ok()?, gid: gid.parse().ok()? }))
            }
            _ => None,
        }
    }

    /// Becomes the keeper.
    pub(super) fn take(self) -> io::Result<()> {
        match self {
            Self::AsStarted => Ok(()),
            Self::For(keeper) => become_user(keeper, START),
        }
    }

    /// Does `start` with all that it takes to start a program. One without a jail is root's: there
    /// is none that the helper was not told of by root.
    pub(super) fn starting<T>(self, jailed: bool, start: impl FnOnce() -> T) -> io::Result<T> {
        let Self::For(keeper) = self else { return Ok(start()) };
        put_in_effect(START, START)?;
        if jailed {
            let started = start();
            put_in_effect(START, START & KILL)?;
            return Ok(started);
        }
        set_keep_capabilities(true)?;
        identity(Keeper { uid: 0, gid: 0 })?;
        let started = start();
        identity(keeper)?;
        put_in_effect(START, START & KILL)?;
        set_keep_capabilities(false)?;
        Ok(started)
    }

    /// Every program runs.
    pub(super) fn settle(self) -> io::Result<()> {
        let Self::For(_) = self else { return Ok(()) };
        // To empty the bounding set takes one of those that are given up.
        put_in_effect(START, START & (KILL | CapabilitySet::SETPCAP))?;
        bound(CapabilitySet::empty())?;
        put_in_effect(KILL, KILL)
    }
}

fn identity(of: Keeper) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(of.uid), Gid::from_raw(of.gid));
    // In this order in both directions: root's rights are lost with the user, and for becoming root
    // the capability is in effect.
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

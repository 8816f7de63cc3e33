//! What a process may do, and how it lets go of that.
//!
//! kilnd, its helper and supervisors begin as root. Each keeps what it is made for: kilnd nothing, a
//! supervisor what it starts its programs with and then [`KILL`] alone.

use std::io;

use rustix::{
    fs::{Gid, Uid},
    io::Errno,
    process::{DumpableBehavior, getgid, getuid, set_dumpable_behavior},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
        remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities,
        set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};
use serde::{Deserialize, Serialize};

/// To end processes of another user, and for the kernel to end them in our name when we die.
pub const KILL: CapabilitySet = CapabilitySet::KILL;
/// What a supervisor needs to shut programs in, and the helper to start supervisors.
pub const START: CapabilitySet = KILL
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_CHROOT);

/// A user and its group: kilnd's own, and those of its supervisors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keeper {
    pub uid: u32,
    pub gid: u32,
}

impl Keeper {
    /// Who this process is.
    pub fn own() -> Self {
        Self { uid: getuid().as_raw(), gid: getgid().as_raw() }
    }
}

/// Makes `keeper` of this process, in no other group, with `permitted` and of that nothing in
/// effect but [`KILL`]. No program that it starts gains anything, and nobody looks into its memory.
/// Of the thread that calls, which must be the only one.
pub fn become_user(keeper: Keeper, permitted: CapabilitySet) -> io::Result<()> {
    bound(permitted)?;
    set_thread_groups(&[])?;
    set_keep_capabilities(true)?;
    let (uid, gid) = (Uid::from_raw(keeper.uid), Gid::from_raw(keeper.gid));
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    put_in_effect(permitted, permitted & KILL)?;
    set_keep_capabilities(false)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// This process, and whatever it starts, never has more than `most` again.
pub fn limit(most: CapabilitySet) -> io::Result<()> {
    bound(most)?;
    let now = capabilities(None)?;
    put_in_effect(now.permitted & most, now.effective & most)
}

/// The same for what a program could be given by its file, and for what is ambient.
pub fn bound(most: CapabilitySet) -> io::Result<()> {
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        if most.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            // The kernel knows no more of them.
            Err(Errno::INVAL) if bit > 0 => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Sets what this thread may do and what it does now; nothing is left for programs to inherit.
pub fn put_in_effect(permitted: CapabilitySet, effective: CapabilitySet) -> io::Result<()> {
    let inheritable = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective, permitted, inheritable })?)
}

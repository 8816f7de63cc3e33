//! Whose a program is, and what it may never become.

use std::io;

use rustix::{
    fs::{Gid, Uid},
    io::Errno,
    thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities,
        set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};

use crate::{JailUser, Step, word::Setback};

/// Higher than any that there will be: the kernel knows sixty-four.
const CAPABILITIES: libc::c_ulong = 64;

/// Gives everything up, for good. Neither allocates nor locks.
pub(crate) fn give_up(user: Option<&JailUser>) -> Result<(), Setback> {
    let step = |step: Step| move |error: Errno| Setback::step(step, error);
    match empty_bounding_set() {
        // Who has no capability cannot do it, and gains none by an exec without new privileges.
        Err(error) if user.is_none() && error.raw_os_error() == Some(libc::EPERM) => {}
        emptied => emptied.map_err(|error| Setback::step(Step::Bounding, error))?,
    }
    clear_ambient_capability_set().map_err(step(Step::Capabilities))?;
    if let Some(user) = user {
        // Devices are its own, so no group has anything to give.
        set_thread_groups(&[]).map_err(step(Step::Groups))?;
        let group = Gid::from_raw(user.id);
        set_thread_res_gid(group, group, group).map_err(step(Step::User))?;
        let id = Uid::from_raw(user.id);
        set_thread_res_uid(id, id, id).map_err(step(Step::User))?;
    }
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, none).map_err(step(Step::Capabilities))?;
    set_no_new_privs(true).map_err(step(Step::NewPrivileges))
}

fn empty_bounding_set() -> io::Result<()> {
    for capability in 0..CAPABILITIES {
        // Asking costs a tenth of dropping, and a supervisor has few to drop.
        // SAFETY: it reads two numbers.
        if unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability, 0, 0, 0) } == 0 {
            continue;
        }
        // SAFETY: it reads two numbers.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if dropped != 0 {
            let error = io::Error::last_os_error();
            // Behind the last one that this kernel knows.
            let all = error.raw_os_error() == Some(libc::EINVAL) && capability > 0;
            return if all { Ok(()) } else { Err(error) };
        }
    }
    Ok(())
}

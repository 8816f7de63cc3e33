//! Namespaces: what a jail is made of.

use rustix::{
    io::Errno,
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::child::attempt_in_child;
use crate::doctor::report::{Area, Check};

const ALL: [(&str, UnshareFlags); 5] = [
    ("mount namespaces", UnshareFlags::NEWNS),
    ("process namespaces", UnshareFlags::NEWPID),
    ("network namespaces", UnshareFlags::NEWNET),
    ("IPC namespaces", UnshareFlags::NEWIPC),
    ("user namespaces", UnshareFlags::NEWUSER),
];

pub(super) fn checks(is_root: bool) -> Vec<Check> {
    ALL.into_iter().map(|(name, flag)| check(name, flag, is_root)).collect()
}

fn check(name: &'static str, flag: UnshareFlags, is_root: bool) -> Check {
    // SAFETY: system calls alone.
    let made = unsafe { attempt_in_child(move || make(flag)) };
    let found = match made {
        Ok(()) => return Check::ok(Area::Isolation, name, "made and left"),
        Err(error) => format!("cannot be made: {error}"),
    };
    if flag == UnshareFlags::NEWUSER {
        return Check::note(Area::Isolation, name, format!("{found}; no job needs them"));
    }
    if !is_root {
        return Check::warning(Area::Isolation, name, found).mend("run as root to know");
    }
    Check::missing(Area::Isolation, name, found)
        .mend("VMs are jailed in namespaces: use a kernel that has them, and no container without")
}

fn make(flag: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: no other thread shares anything with this process, which ends right after.
    unsafe { unshare_unsafe(flag) }?;
    if flag == UnshareFlags::NEWNS {
        // And a mount in it that nobody else sees.
        mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        mount(c"none", c"/proc", c"tmpfs", MountFlags::empty(), None)?;
    }
    Ok(())
}

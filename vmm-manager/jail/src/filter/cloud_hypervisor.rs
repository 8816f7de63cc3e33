//! Cloud Hypervisor, under KVM. It puts a narrower list upon each of its threads but the first.

use super::{calls::Calls, everywhere::without_own_code};

/// Of all of KVM's commands.
pub(super) const KVM: u32 = 0xae00;
/// Which subsystem's a command is.
pub(super) const SUBSYSTEM: u32 = 0xff00;

/// Disks are asked for their geometry, and interfaces that it was given for their features.
pub(super) const DEVICES: &[u32] = &[
    0x1268,      // BLKSSZGET
    0x127b,      // BLKPBSZGET
    0x1278,      // BLKIOMIN
    0x1279,      // BLKIOOPT
    0x8008_1272, // BLKGETSIZE64
    0x8004_54cf, // TUNGETFEATURES
    0x8004_54d2, // TUNGETIFF
    0x8004_54d7, // TUNGETVNETHDRSZ
    0x4004_54ca, // TUNSETIFF, of one that is an interface already
    0x4004_54d0, // TUNSETOFFLOAD
    0x4004_54d8, // TUNSETVNETHDRSZ
];

pub(super) fn add(calls: &mut Calls) {
    without_own_code(calls);
    // It begins by closing its files to its group, in which its keeper is: the mask that it is born
    // with stays, and its sockets can be reached.
    calls.never(libc::SYS_umask);
    calls.always(CALLS);
    calls.masked(libc::SYS_ioctl, 1, SUBSYSTEM, &[KVM]);
    calls.one_of(libc::SYS_ioctl, 1, DEVICES);
    // Unless it is told not to, it keeps others off its threads' cores by itself; without it, it
    // would not start a guest.
    calls.one_of(libc::SYS_prctl, 0, &[libc::PR_SCHED_CORE.cast_unsigned()]);
}

const CALLS: &[i64] = &[
    // Disks without a ring.
    libc::SYS_io_cancel,
    libc::SYS_io_destroy,
    libc::SYS_io_getevents,
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    // Its own rules, within ours.
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_restrict_self,
    libc::SYS_mbind,
    // The guest's memory.
    libc::SYS_memfd_create,
    libc::SYS_sched_setaffinity,
];

//! QEMU, under KVM or alone. It makes code while it runs, and filters itself once it is set up.

use super::{
    calls::Calls,
    cloud_hypervisor::{DEVICES, KVM, SUBSYSTEM},
};

pub(super) fn add(calls: &mut Calls) {
    calls.always(CALLS);
    calls.masked(libc::SYS_ioctl, 1, SUBSYSTEM, &[KVM]);
    calls.one_of(libc::SYS_ioctl, 1, DEVICES);
    // What the kernel tells of broken memory.
    calls.one_of(libc::SYS_prctl, 0, &[libc::PR_MCE_KILL.cast_unsigned()]);
}

const CALLS: &[i64] = &[
    // The guest's memory.
    libc::SYS_memfd_create,
    // Signals of its main loop.
    libc::SYS_signalfd4,
];

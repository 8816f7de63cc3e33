//! What is looked at beside guests: each by doing it and undoing it, where it can be done.

mod builds;
mod cgroups;
mod child;
mod daemon;
mod disk;
mod home;
mod image;
mod kvm;
mod landlock;
mod memory;
mod namespaces;
mod network;
mod processor;
mod program;
mod reflink;
mod seccomp;
mod threads;
mod time;
mod userfaultfd;

use kiln_images::GuestImage;

use super::{report::Check, work::Workplace};
use crate::{config::Flags, vmm::ShimConfig};

/// What the checks know.
#[derive(Debug)]
pub(super) struct Patient {
    pub(super) flags: Flags,
    pub(super) shim: Option<ShimConfig>,
    /// The guest image that was named, or why it cannot be used.
    pub(super) image: Result<GuestImage, String>,
    pub(super) is_root: bool,
}

/// All that block, in the order in which they are shown.
pub(super) fn blocking(patient: &Patient) -> Vec<Check> {
    let mut checks = daemon::checks(patient);
    checks.extend([image::check(patient), builds::check(patient)]);
    checks.extend(home::checks(&patient.flags));
    checks.extend(kvm::checks());
    checks.extend(processor::checks());
    checks.extend(threads::checks());
    checks.extend(namespaces::checks(patient.is_root));
    checks.extend([landlock::check(), seccomp::check()]);
    checks.extend(memory::checks());
    checks.push(userfaultfd::check());
    checks.extend(disk::checks(&patient.flags));
    checks.push(reflink::check(&patient.flags));
    checks.extend(network::checks(patient));
    checks.extend(time::checks());
    checks
}

pub(super) async fn cgroups(work: &Workplace) -> Check {
    cgroups::check(work.home().instance()).await
}

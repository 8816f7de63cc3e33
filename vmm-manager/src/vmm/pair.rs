//! A VMM and what executes its guests' instructions: what can be chosen for a host.

use std::fmt;

use super::Accelerator;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pair {
    CloudHypervisorKvm,
    QemuKvm,
    QemuTcg,
}

impl Pair {
    /// The best first.
    pub const ALL: [Self; 3] = [Self::CloudHypervisorKvm, Self::QemuKvm, Self::QemuTcg];

    /// As it stands in records.
    pub const fn vmm(self) -> &'static str {
        match self {
            Self::CloudHypervisorKvm => "cloud-hypervisor",
            Self::QemuKvm | Self::QemuTcg => "qemu",
        }
    }

    pub const fn accelerator(self) -> Accelerator {
        match self {
            Self::CloudHypervisorKvm | Self::QemuKvm => Accelerator::Kvm,
            Self::QemuTcg => Accelerator::Tcg,
        }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} under {}", self.vmm(), self.accelerator().name())
    }
}

//! What an operator can do about a VMM that runs no guests.

use super::Why;
use crate::vmm::{Hindrance, Pair, ProbeVerdict};

const NO_REAL_GUEST: &str = "this is most often a nested KVM that cannot run a stock kernel: use a \
                             host with hardware virtualisation, or allow slow software emulation \
                             with --allow-emulation";

/// `None` where nothing is broken, or the reason says it all.
pub(crate) fn mend(pair: Pair, why: &Why) -> Option<&'static str> {
    let hindrance = match why {
        Why::EmulationNotAllowed => {
            return Some("allow slow software emulation with --allow-emulation, if that is meant");
        }
        Why::Verdict(ProbeVerdict::Works { .. }) => return None,
        Why::Verdict(ProbeVerdict::NullGuestsOnly { .. }) => return Some(NO_REAL_GUEST),
        Why::Verdict(ProbeVerdict::No(hindrance)) => hindrance,
    };
    match (hindrance, pair) {
        (Hindrance::Program { .. }, Pair::CloudHypervisorKvm) => Some(
            "install Cloud Hypervisor 53 or later from its releases, or name it with \
             --cloud-hypervisor",
        ),
        (Hindrance::Program { .. }, Pair::QemuKvm | Pair::QemuTcg) => Some(
            "install qemu-system-x86 and vhost-device-vsock 0.3, or name them with --qemu and \
             --vhost-device-vsock",
        ),
        (Hindrance::Kvm { .. }, _) => Some(
            "switch virtualisation on in the firmware, or nesting in the host above; load kvm_amd \
             or kvm_intel; run kilnd as root",
        ),
        (Hindrance::Start { .. }, _) => None,
        (Hindrance::Guest { .. }, Pair::CloudHypervisorKvm | Pair::QemuKvm) => Some(NO_REAL_GUEST),
        (Hindrance::Guest { .. }, Pair::QemuTcg) => {
            Some("the guest image may be damaged: make it anew with `cargo xtask image`")
        }
    }
}

//! Cloud Hypervisor's command line: the API, its own confinement, and who hears what.

use std::os::fd::RawFd;

/// Descriptors that it is born with. The first listens, for one daemon after the other.
pub(super) const API: RawFd = 100;
/// The supervisor's: who hears its events, though no daemon be there.
pub(super) const EVENTS: RawFd = 101;

/// What the machine is, is told over the API.
pub(super) fn arguments() -> Vec<String> {
    [
        "--api-socket".to_owned(),
        format!("fd={API}"),
        "--event-monitor".to_owned(),
        format!("fd={EVENTS}"),
        // A thread that makes a system call which it has no use for is killed, and all with it.
        "--seccomp".to_owned(),
        "true".to_owned(),
        // Tells why it ends: `exit` reads it.
        "-v".to_owned(),
        "--log-format".to_owned(),
        "{level} {msg}".to_owned(),
    ]
    .to_vec()
}

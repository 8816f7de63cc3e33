//! What a machine's supervisor is given of its network.

use std::os::fd::BorrowedFd;

/// The gateway of a VM has a user of its own, so far from the VM's.
pub const GATEWAY_USERS: u32 = 1 << 16;

/// The open parts of one machine's network, which the helper made and keeps.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    pub(crate) namespace: BorrowedFd<'a>,
    /// By their names in an order, [`kiln_shim::GIVEN`]; those of IPv6 only where there is any.
    pub(crate) descriptors: Vec<(&'static str, BorrowedFd<'a>)>,
}

impl<'a> Given<'a> {
    pub(crate) fn find(&self, name: &str) -> Option<(&'static str, BorrowedFd<'a>)> {
        self.descriptors.iter().copied().find(|(known, _)| *known == name)
    }
}

//! The bridge between a guest's vsock and a unix socket.

use super::{calls::Calls, everywhere::without_own_code};

pub(super) fn add(calls: &mut Calls) {
    without_own_code(calls);
}

//! libc's functions, under their own names.

mod names;
mod open;
mod size;
mod sync;
mod transfer;
mod write;

use std::ffi::{c_int, c_long};

use kiln_faults::Operation;
use libc::ssize_t;

use crate::{
    decision::{Turn, decide},
    system,
    target::Target,
};

/// How many bytes a call says that it moved.
fn counted(result: c_long) -> ssize_t {
    ssize_t::try_from(result).unwrap_or(-1)
}

/// A call that is done or not, and noted by `note` when it was.
fn simple(
    operation: Operation,
    target: &Target,
    call: impl FnOnce() -> c_long,
    note: impl FnOnce(),
) -> c_int {
    let _held = match decide(operation, target) {
        Turn::Go(held) | Turn::Short(held) => held,
        Turn::Fail(error) => {
            system::set_errno(error);
            return -1;
        }
    };
    let result = call();
    if result >= 0 {
        note();
    }
    c_int::try_from(result).unwrap_or(-1)
}

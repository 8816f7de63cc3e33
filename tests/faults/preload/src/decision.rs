//! Whether a fault is put in a call's way.

use std::{
    ffi::c_int,
    os::unix::ffi::OsStrExt as _,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
};

use kiln_faults::{Action, Operation};

use crate::{log, system, target::Target};

/// What a call is to do.
pub(crate) enum Turn {
    Go(Held),
    Short(Held),
    /// It has failed.
    Fail(c_int),
}

/// For as long as the call lasts.
pub(crate) struct Held {
    _turn: MutexGuard<'static, ()>,
}

pub(crate) fn decide(operation: Operation, target: &Target) -> Turn {
    // The errno that a program reads is that of its own call, not of our looking around.
    let errno = system::errno();
    let turn = target.session.turn.lock().unwrap_or_else(PoisonError::into_inner);
    let action = fault(operation, target);
    system::set_errno(errno);
    let held = Held { _turn: turn };
    match action {
        None => Turn::Go(held),
        Some(Action::Short) => Turn::Short(held),
        Some(Action::NoSpace) => Turn::Fail(libc::ENOSPC),
        Some(Action::InputOutputError) => Turn::Fail(libc::EIO),
        Some(Action::Kill) => system::kill_self(),
    }
}

fn fault(operation: Operation, target: &Target) -> Option<Action> {
    let path = target.path().as_os_str().as_bytes();
    for armed in &target.session.rules {
        let rule = &armed.rule;
        if !rule.operations.contains(&operation) || !contains(path, rule.path.as_bytes()) {
            continue;
        }
        if !armed.is_armed() {
            continue;
        }
        let number = armed.seen.fetch_add(1, Ordering::Relaxed) + 1;
        if number >= rule.first && number - rule.first < rule.times {
            log::fault(target, rule.action, operation);
            return Some(rule.action);
        }
    }
    None
}

fn contains(path: &[u8], part: &[u8]) -> bool {
    part.is_empty() || path.windows(part.len()).any(|window| window == part)
}

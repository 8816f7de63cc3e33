//! Ctrl-C and SIGTERM end what runs and let the rest be cleaned up.

use std::{
    os::fd::OwnedFd,
    process::Child,
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::Context as _;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// Written by the signal thread and by whoever waits for a program.
static STATE: Mutex<State> = Mutex::new(State { interrupted: false, running: None });

struct State {
    interrupted: bool,
    /// Refers to the process even after it was reaped, so a late signal hits nobody else.
    running: Option<OwnedFd>,
}

/// From now on signals no longer end this process.
pub(crate) fn watch() -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("watching for signals")?;
    thread::spawn(move || {
        for _ in signals.forever() {
            let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
            state.interrupted = true;
            if let Some(running) = &state.running {
                // Fails only when it is gone already.
                let _ = pidfd_send_signal(running, Signal::TERM);
            }
        }
    });
    Ok(())
}

/// Fails when a signal came.
pub(crate) fn check() -> anyhow::Result<()> {
    let state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    anyhow::ensure!(!state.interrupted, "interrupted");
    Ok(())
}

/// A signal ends this child too, until the guard is dropped.
pub(crate) fn forward_to(child: &Child) -> Forwarding {
    let handle = handle(child);
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    if state.interrupted
        && let Some(handle) = &handle
    {
        let _ = pidfd_send_signal(handle, Signal::TERM);
    }
    state.running = handle;
    Forwarding
}

/// Refers to a child whatever becomes of its number.
pub(crate) fn handle(child: &Child) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(child.id()).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

pub(crate) struct Forwarding;

impl Drop for Forwarding {
    fn drop(&mut self) {
        STATE.lock().unwrap_or_else(PoisonError::into_inner).running = None;
    }
}

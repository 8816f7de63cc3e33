//! Our own terminal, while it is lent to a guest: raw, and given back on every way out.
//!
//! ```text
//! Raw::enter ──▶ raw ──▶ drop (return, error, unwinding) ──▶ as it was
//!                 └────▶ a panic on any thread: as it was, before its message
//! ```
//! Signals that would end the process are caught while it is raw (see `run::signals`), so they come
//! back here by returning.

use std::{
    io,
    sync::{Mutex, Once, PoisonError},
};

use kiln_proto::v1;
use rustix::{
    io::Errno,
    termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr},
};

/// What the terminal was like, while it is raw.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// When nothing knows better.
const FALLBACK: v1::TerminalSize = v1::TerminalSize { rows: 24, columns: 80 };

#[derive(Debug, thiserror::Error)]
pub(crate) enum TerminalError {
    #[error("-t needs a terminal, and stdin is none: leave -t out; -i alone passes stdin on")]
    None,
    #[error("cannot make the terminal raw")]
    Raw(#[source] Errno),
}

pub(crate) fn is_there() -> bool {
    isatty(io::stdin())
}

pub(crate) fn size() -> v1::TerminalSize {
    match tcgetwinsize(io::stdin()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
            v1::TerminalSize { rows: size.ws_row.into(), columns: size.ws_col.into() }
        }
        _ => FALLBACK,
    }
}

pub(crate) fn is_raw() -> bool {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// There is at most one.
#[derive(Debug)]
pub(crate) struct Raw(());

impl Raw {
    pub(crate) fn enter() -> Result<Self, TerminalError> {
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                next(panic);
            }));
        });
        let before = tcgetattr(io::stdin()).map_err(TerminalError::Raw)?;
        let mut raw = before.clone();
        raw.make_raw();
        BEFORE.lock().unwrap_or_else(PoisonError::into_inner).replace(before);
        let guard = Self(());
        // What was typed ahead is for the command.
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).map_err(TerminalError::Raw)?;
        Ok(guard)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // A terminal that is gone needs no mending.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

//! The init of a root filesystem that was an image: its command runs as docker would run it, and the
//! machine ends with it.
//!
//! The library says how: [`Settings`] are what it is given, [`Identity`], [`Environment`] and
//! [`candidates`] are docker's rules, which whoever makes the root filesystem checks an image by.

mod cause;
mod environment;
mod identity;
mod machine;
mod process;
mod run;
mod search;
mod settings;
mod signal;

pub use self::{
    cause::{CANNOT_RUN, FAILED, NOT_FOUND},
    environment::{DEFAULT_PATH, Environment, InvalidVariable},
    identity::{Database, Identity, InvalidUser},
    run::main,
    search::candidates,
    settings::{
        DEFAULT_STOP_SECONDS, DIRECTORY, Memory, PROGRAM, SETTINGS, Settings, UnreadableSettings,
    },
    signal::{InvalidSignal, Signal},
};

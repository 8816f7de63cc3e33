//! Faults in what a program writes below one directory.
//!
//! A [`Plan`] says which directory, which of its calls fail and how, and whether all of them are
//! recorded. `libkiln_faults_preload.so` carries it out inside the program: it stands between the
//! program and libc, by `LD_PRELOAD`. What was recorded is a list of [`Record`]s, among them the
//! marks of a test that saw an answer; [`PowerLoss`] makes of it the directory as it may be found
//! when the power went at any of its records.
//!
//! A program's calls are seen when they go through libc, as those of std, tokio and `SQLite` do.
//! `rustix` goes to the kernel by itself and is not seen: [`PowerLoss::differences`] finds what was
//! missed.

mod action;
mod operation;
mod plan;
mod record;
mod replay;
mod rule;

pub use self::{
    action::Action,
    operation::Operation,
    plan::{PLAN_VARIABLE, Plan},
    record::{Record, mark, read_records},
    replay::{Difference, Image, Order, PowerLoss, Roll},
    rule::Rule,
};

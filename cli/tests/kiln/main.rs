//! The `kiln` binary against a kilnd that is played: see [`fake`].

#![expect(clippy::unwrap_used, reason = "a panic is a test's verdict")]

mod command;
mod fake;

mod boots;
mod builds;
mod cancel;
mod egress;
mod exit_codes;
mod failing;
mod images;
mod jobs;
mod json;
mod pressure;
mod reconnect;
mod rootfs;
mod shell;
mod stdin;
mod streams;
mod terminal;
mod transfer;

//! From what the engine's client reports while it builds to the events that the host is told.
//!
//! ```text
//! client's stdout ─▶ reports ─┬─ progress ─▶ steps, parts, logs, warnings ─▶ frames
//!                             └─ done, failed ─▶ (kept) ─▶ how it ended
//! client's stderr ─▶ words ──▶ (the last are kept) ─▶ why it failed, where no report says
//! ```
//!
//! All text loses its secrets on the way (see [`mask`]). What the client says is a build's to make:
//! whatever comes, what is held of it is bounded, and it ends in events within their bounds.

mod frames;
mod logs;
mod mask;
mod parts;
mod steps;
mod time;
mod translator;
mod warnings;
mod words;

pub use self::translator::{End, Translator};

#[cfg(test)]
pub(super) mod tests;

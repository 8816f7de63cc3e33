//! From what the engine's client says while it builds to the events that the host is told.
//!
//! ```text
//! client's stderr ─▶ objects ─┬─ JSON ─▶ status ─▶ steps, parts, logs, warnings ─▶ frames
//!                             └─ words ─────────────────▶ (kept) ─▶ the error, at the end
//! ```
//!
//! All text loses its secrets on the way (see [`mask`]). What the client says is a build's to make:
//! whatever comes, what is held of it is bounded, and it ends in events within their bounds.

mod frames;
mod logs;
mod mask;
mod objects;
mod parts;
mod status;
mod steps;
mod time;
mod translator;
mod warnings;
mod words;

pub use self::translator::{End, Translator};

#[cfg(test)]
pub(super) mod tests;

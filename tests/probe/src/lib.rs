//! What a guest tries on its network that has root, raw sockets and bad intentions.
//!
//! Frames are made without a network ([`cases`]), so that a guest without a kernel can send them
//! too; the rest is said to the guest's own kernel ([`connect`]).

pub mod cases;
pub mod connect;
mod frame;
mod name;
pub mod raw;

pub use self::{cases::Case, frame::Link};

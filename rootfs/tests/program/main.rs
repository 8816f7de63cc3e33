//! The program: what it makes of images, in the words and with the files that a user gets.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod comparison;
mod faults;
mod gallery;
#[path = "../layers/layout.rs"]
mod layout;
mod options;
mod picture;
mod program;
mod reading;
mod sameness;
mod ugly;

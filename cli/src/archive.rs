//! Tar archives at the client: packed from a directory, and unpacked into one without trust.
//!
//! What comes out of a guest is written by whoever ran in it. So what is read by [`kiln_archive`] is
//! only what every other reader would take in the same way, and [`tree`] makes files by directory
//! descriptors that no link can bend.

mod merge;
mod pack;
mod tree;
mod unpack;

pub(crate) use self::{
    merge::{MergeError, merge},
    pack::{PackError, pack},
    unpack::{Links, UnpackError, unpack},
};

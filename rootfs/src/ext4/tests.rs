//! Every file system that is written here must satisfy `e2fsck`, and be read as what it was made from.
//!
//! `plot`, `plots`, `random` and `image` are also those of the tests that ask this machine's kernel, in
//! `tests/kernel`.

mod directories;
mod image;
mod kinds;
mod limits;
mod plot;
mod plots;
mod random;
mod second_reader;
mod size;
mod target;
mod yardstick;

use crate::{
    ext4::{Options, Plan, Usage},
    store::{Piece, Store},
    tree::{Content, Kind, Metadata, Node, NodeId, Time, Tree},
};

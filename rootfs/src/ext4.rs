//! A tree as an ext4 file system, laid out in full before its first byte is written.
//!
//! ```text
//! tree → inventory (inodes, names, what each needs) → geometry (groups, tables) → plan
//!                                        ↑                    │ it grows until everything fits
//!                                        └────────────────────┘
//! plan + store → data, inodes, groups, superblocks: each block written once, zeros never
//! ```
//!
//! Blocks are given out from the front, without gaps but for what a group keeps for itself. So one number
//! (how far that went) says which blocks are used, and a file's place follows from the place of the one
//! before. The same tree and the same [`Options`] give the same bytes: nothing is asked of the clock or of
//! the host.
//!
//! What `mke2fs -t ext4` chooses is what this writes: blocks of 4 KiB, inodes of 256 bytes, extents, hashed
//! directories, checksums, a journal from 8 MiB on, and room for descriptors so that it grows while mounted.
//! Two things are left out that older kernels don't know (`metadata_csum_seed`, `orphan_file`), and nothing
//! is kept back for root: the free space that was asked for is for everyone.

mod access_list;
mod allocation;
mod attributes;
mod biggest;
mod bitmap;
mod blank;
mod checksum;
mod contents;
mod descriptor;
mod device;
mod directory;
mod extents;
mod fault;
mod field;
mod file;
mod geometry;
mod hash;
mod hashed;
mod inode;
mod inventory;
mod journal;
mod member;
mod need;
mod options;
mod output;
mod path;
mod plan;
mod resize;
mod space;
mod superblock;
mod time;
mod write;

pub use self::{
    attributes::AttributeError,
    biggest::{Biggest, Holds},
    options::{Free, Options, Size},
    plan::{Plan, PlanError, Usage},
    write::{WriteError, Written},
};

#[cfg(test)]
mod tests;

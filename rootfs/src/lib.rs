//! Layers of an image in, a root filesystem out.
//!
//! `image → layers → tree → policies → file system`: layers are read once, what they leave behind is a
//! [`Tree`], what is not wanted is taken out of that, and then the file system is written in one go. So
//! nothing that was removed is ever on it.

mod apply;
mod convert;
pub mod ext4;
pub mod harden;
mod image;
pub mod init;
mod layers;
pub mod optimise;
mod removal;
#[cfg(test)]
mod sample;
mod store;
pub mod tar;
mod tree;

pub use kiln_digest::{Digest, Hasher, InvalidDigest, Uuid};

pub use self::{
    apply::{Applied, ApplyError, Notes, apply},
    convert::{
        ConvertError, Format, Identity, Output, OutputError, Packing, Recipe, Record, convert,
    },
    image::{
        Config, Extent, ExtentReader, Image, InvalidPlatform, LayerBlob, OpenError, Platform,
        Wanted,
    },
    layers::{
        Compression, Entry, EntryKind, InvalidEntry, Layer, LayerError, LayersError, Limits,
        OverBudget, read_layers,
    },
    removal::Freed,
    store::{Piece, Store, StoreId},
    tree::{Content, Kind, Metadata, Name, Node, NodeId, Time, Tree, Walk},
};

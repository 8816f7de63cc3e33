//! SHA-256, by which all content is named: images and their layers, guest images, root filesystems.
//!
//! There is one algorithm, so that one content has one name.

mod hasher;
mod invalid;
mod name;
mod uuid;

pub use self::{hasher::Hasher, invalid::InvalidDigest, name::Digest, uuid::Uuid};

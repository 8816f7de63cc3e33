//! Images as tars: what an OCI layout and `docker save` look like, read without a file system.
//!
//! Names in an archive name nothing here: a file is a blob by its digest or one of the few documents
//! that tell which blobs belong together.

mod archive;
mod contents;
pub(crate) mod docker;
mod invalid;
pub(crate) mod names;
#[cfg(test)]
mod tests;
mod write;

pub use self::{
    archive::{Archive, Entry, Kind},
    invalid::InvalidLayout,
};
pub(crate) use self::{
    contents::{Contents, File, Held, INDEX, LAYOUT, Packing},
    write::{END, directory, file, padding},
};

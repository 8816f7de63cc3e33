//! What jobs leave: the bytes of their output disks, taken over, counted and hashed by the host.
//!
//! They are copied and not moved, also within one file system. The guest may still be running, and
//! could write to a disk that was moved after it was hashed; of a copy, what was hashed is what is
//! kept. And taking over may be cut off at any byte: the disk is still whole, and it is begun anew.
//! A disk is sparse and so is its copy, so it costs what the output is long.

mod copy;
mod ingest;
mod reader;
mod shelf;

pub use self::{
    ingest::{IngestError, ingest},
    reader::OutputReader,
    shelf::{OutputError, Outputs, Reading},
};

#[cfg(test)]
mod tests;

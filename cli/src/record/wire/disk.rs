//! Disks of a job, and its terminal.

use kiln_proto::v1;

use crate::record::{DiskFormat, InputDisk, Output, OutputDisk, TerminalSize};

fn format(wire: i32) -> DiskFormat {
    match v1::DiskFormat::try_from(wire) {
        // Left out, it is the default.
        Ok(v1::DiskFormat::Unspecified | v1::DiskFormat::Tar) => DiskFormat::Tar,
        Ok(v1::DiskFormat::Raw) => DiskFormat::Raw,
        Err(_) => DiskFormat::Unknown,
    }
}

impl From<v1::InputDisk> for InputDisk {
    fn from(v1::InputDisk { source_id, path, format: wire }: v1::InputDisk) -> Self {
        Self { source_id, path, format: format(wire) }
    }
}

impl From<v1::OutputDisk> for OutputDisk {
    fn from(v1::OutputDisk { name, path, format: wire, max_bytes }: v1::OutputDisk) -> Self {
        Self { name, path, format: format(wire), max_bytes }
    }
}

impl From<v1::Output> for Output {
    fn from(v1::Output { name, size_bytes, digest, expired }: v1::Output) -> Self {
        Self { name, size_bytes, digest, expired }
    }
}

impl From<v1::TerminalSize> for TerminalSize {
    fn from(v1::TerminalSize { rows, columns }: v1::TerminalSize) -> Self {
        Self { rows, columns }
    }
}

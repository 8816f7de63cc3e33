//! The disks that a job brings and leaves.

use std::collections::HashSet;

use kiln_proto::v1;

use super::room::MOST_DISK_BYTES;
use crate::{
    api::field::InvalidField,
    job::{DiskFormat, InputDisk, OutputDisk},
};

const MOST_DISKS: usize = 8;
const DEFAULT_OUTPUT_BYTES: u64 = 1 << 30;
/// Disks have whole blocks.
const BLOCK_BYTES: u64 = 4096;
const MOST_PATH_BYTES: usize = 4095;
const MOST_COMPONENT_BYTES: usize = 255;
const MOST_NAME_BYTES: usize = 32;

pub(super) fn inputs(wire: Vec<v1::InputDisk>) -> Result<Vec<InputDisk>, InvalidField> {
    at_most("spec.inputs", wire.len())?;
    let input = |(index, wire)| {
        let at = format!("spec.inputs[{index}]");
        let v1::InputDisk { source_id, path, format } = wire;
        let source = source_id
            .parse()
            .map_err(|error| InvalidField::new(format!("{at}.source_id"), error))?;
        let format = self::format(&at, format)?;
        check_path(&at, &path, format)?;
        Ok(InputDisk { source, path, format })
    };
    wire.into_iter().enumerate().map(input).collect()
}

pub(super) fn outputs(wire: Vec<v1::OutputDisk>) -> Result<Vec<OutputDisk>, InvalidField> {
    at_most("spec.outputs", wire.len())?;
    let mut seen = HashSet::new();
    let output = |(index, wire)| {
        let at = format!("spec.outputs[{index}]");
        let v1::OutputDisk { name, path, format, max_bytes } = wire;
        output_name(&format!("{at}.name"), &name)?;
        if !seen.insert(name.clone()) {
            return Err(InvalidField::new(format!("{at}.name"), format!("{name} stands twice")));
        }
        let format = self::format(&at, format)?;
        check_path(&at, &path, format)?;
        let max_bytes = if max_bytes == 0 { DEFAULT_OUTPUT_BYTES } else { max_bytes };
        if max_bytes > MOST_DISK_BYTES {
            let problem = format!("is above {MOST_DISK_BYTES}");
            return Err(InvalidField::new(format!("{at}.max_bytes"), problem));
        }
        // Rounded up: what was asked for must fit.
        let max_bytes = max_bytes.next_multiple_of(BLOCK_BYTES);
        Ok(OutputDisk { name, path, format, max_bytes })
    };
    wire.into_iter().enumerate().map(output).collect()
}

pub(super) fn output_name(field: &str, name: &str) -> Result<(), InvalidField> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > MOST_NAME_BYTES || !name.bytes().all(allowed) {
        let problem = "must be 1 to 32 lower-case letters, digits and dashes";
        return Err(InvalidField::new(field, problem));
    }
    Ok(())
}

fn at_most(field: &str, count: usize) -> Result<(), InvalidField> {
    if count > MOST_DISKS {
        return Err(InvalidField::new(field, format!("has {count}, and at most {MOST_DISKS} go")));
    }
    Ok(())
}

fn format(at: &str, wire: i32) -> Result<DiskFormat, InvalidField> {
    match v1::DiskFormat::try_from(wire) {
        Ok(v1::DiskFormat::Unspecified | v1::DiskFormat::Tar) => Ok(DiskFormat::Tar),
        Ok(v1::DiskFormat::Raw) => Ok(DiskFormat::Raw),
        Err(_) => Err(InvalidField::new(format!("{at}.format"), format!("{wire} is none"))),
    }
}

fn check_path(at: &str, path: &str, format: DiskFormat) -> Result<(), InvalidField> {
    let invalid = |problem: &str| Err(InvalidField::new(format!("{at}.path"), problem));
    if !path.starts_with('/') {
        return invalid("is not an absolute path");
    }
    if path.contains('\0') {
        return invalid("contains a NUL byte");
    }
    if path.len() > MOST_PATH_BYTES
        || path.split('/').any(|component| component.len() > MOST_COMPONENT_BYTES)
    {
        return invalid("is longer than a path can be");
    }
    if path.split('/').any(|component| component == "..") {
        return invalid("contains `..`; name the place itself");
    }
    let names_a_file = !matches!(path.rsplit('/').next(), None | Some("" | "."));
    match format {
        DiskFormat::Raw if !names_a_file => invalid("names no file, which a raw disk needs"),
        DiskFormat::Raw | DiskFormat::Tar => Ok(()),
    }
}

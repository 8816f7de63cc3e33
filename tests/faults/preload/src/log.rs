//! Notes what was done.

use std::path::{Path, PathBuf};

use kiln_faults::{Action, Operation, Record};

use crate::{system, target::Target};

/// What is worth noting of a call.
#[derive(Default)]
pub(crate) struct Told<'a> {
    pub(crate) inode: u64,
    pub(crate) offset: u64,
    pub(crate) other: Option<&'a Path>,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn note(operation: Operation, target: &Target, told: Told<'_>) {
    if target.session.record {
        append(operation, target, told);
    }
}

/// Always, so that a test can see that its fault happened.
pub(crate) fn fault(target: &Target, action: Action, operation: Operation) {
    let data = format!("{} {}", action.name(), char::from(operation.byte())).into_bytes();
    append(Operation::Fault, target, Told { data, ..Told::default() });
}

fn append(operation: Operation, target: &Target, told: Told<'_>) {
    let errno = system::errno();
    let Told { inode, offset, other, data } = told;
    let record = Record {
        operation,
        inode,
        offset,
        path: target.path().to_owned(),
        other: other.map_or_else(PathBuf::new, Path::to_owned),
        data,
    };
    system::write_all(target.session.log, &record.encode());
    system::set_errno(errno);
}

//! Extended attributes, where a file system has them: archives carry them as records of pax.

use std::os::fd::BorrowedFd;

use rustix::{
    fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr},
    io::Errno,
};

/// Before the attribute's name in a record's.
pub(super) const RECORD: &str = "SCHILY.xattr.";
/// As large as the kernel allows.
const MAX_BYTES: usize = 64 * 1024;
/// More than the names of most take.
const USUAL_BYTES: usize = 256;

/// What a file has that belongs to it wherever it is. The rest belongs to the file system it is on:
/// an overlay's own marks, labels of a security module.
fn travels(name: &str) -> bool {
    name.starts_with("user.")
        || name == "security.capability"
        || name == "system.posix_acl_access"
        || name == "system.posix_acl_default"
}

/// Those that a record can carry, in the order of their names: readers find the end of a record by
/// its newline, and the end of its name by the first `=`.
pub(super) fn read(file: BorrowedFd<'_>) -> Vec<(String, Vec<u8>)> {
    // Most files have none, and a file system may be without them.
    let mut list = vec![0; USUAL_BYTES];
    let mut length = flistxattr(file, &mut list);
    if length == Err(Errno::RANGE) {
        list.resize(MAX_BYTES, 0);
        length = flistxattr(file, &mut list);
    }
    let Ok(length @ 1..) = length else { return Vec::new() };
    let names = list[..length].split(|byte| *byte == 0);
    let names = names.filter_map(|name| std::str::from_utf8(name).ok());
    let mut value = vec![0; MAX_BYTES];
    let mut attributes: Vec<_> = names
        .filter(|name| travels(name) && !name.contains(['=', '\n']))
        .filter_map(|name| {
            let length = fgetxattr(file, name, &mut value).ok()?;
            let value = &value[..length];
            (!value.contains(&b'\n')).then(|| (name.to_owned(), value.to_vec()))
        })
        .collect();
    attributes.sort();
    attributes
}

/// An attribute that this file system does not take is left out; one for which there is no room is
/// an error.
pub(super) fn write(file: BorrowedFd<'_>, name: &str, value: &[u8]) -> Result<(), Errno> {
    if !travels(name) {
        return Ok(());
    }
    match fsetxattr(file, name, value, XattrFlags::empty()) {
        Err(errno @ (Errno::NOSPC | Errno::DQUOT)) => Err(errno),
        Ok(()) | Err(_) => Ok(()),
    }
}

//! What `stat` does not tell of a file.

use std::os::fd::BorrowedFd;

use rustix::{
    fs::{fgetxattr, flistxattr, readlinkat},
    io::Errno,
};

use super::{
    PackError,
    holes::{Part, parts},
    read,
};
use crate::{path::shown, walk::Kind, walk::Member};

/// As large as the kernel allows.
const LARGEST: usize = 64 << 10;
/// More than the names of most take.
const SMALL: usize = 256;

#[derive(Clone, Debug, Default)]
pub(super) struct Details {
    /// Extended attributes, by name.
    pub(super) attributes: Vec<(String, Vec<u8>)>,
    /// Where it has long holes: what is between them.
    pub(super) sparse: Option<Vec<Part>>,
    /// Of a symlink.
    pub(super) target: Vec<u8>,
}

impl Details {
    pub(super) fn of_file(
        file: BorrowedFd<'_>,
        member: &Member,
        warn: &mut dyn FnMut(String),
    ) -> Result<Self, Errno> {
        let sparse = if member.kind == Kind::File { parts(file, &member.stamp)? } else { None };
        let attributes = attributes(file, member, warn);
        Ok(Self { attributes, sparse, target: Vec::new() })
    }

    pub(super) fn of_symlink(root: BorrowedFd<'_>, member: &Member) -> Result<Self, PackError> {
        let target = match readlinkat(root, &*member.path, Vec::new()) {
            Ok(target) => target.into_bytes(),
            Err(Errno::NOENT | Errno::INVAL | Errno::NOTDIR) => {
                return Err(PackError::Changed { path: shown(&member.path) });
            }
            Err(error) => return Err(read(member, error)),
        };
        Ok(Self { target, ..Self::default() })
    }

    /// What is stored of a file with so many bytes.
    pub(super) fn parts(&self, size: u64) -> Vec<Part> {
        self.sparse.clone().unwrap_or_else(|| vec![Part { offset: 0, length: size }])
    }
}

/// What belongs to the file wherever it is. The rest belongs to the file system that it is on: an
/// overlay's own marks, labels of a security module.
fn travels(name: &str) -> bool {
    name.starts_with("user.")
        || name == "security.capability"
        || name == "system.posix_acl_access"
        || name == "system.posix_acl_default"
}

/// Most files have none, and a file system may be without them.
fn attributes(
    file: BorrowedFd<'_>,
    member: &Member,
    warn: &mut dyn FnMut(String),
) -> Vec<(String, Vec<u8>)> {
    let mut list = vec![0; SMALL];
    let mut length = flistxattr(file, &mut list);
    if length == Err(Errno::RANGE) {
        list.resize(LARGEST, 0);
        length = flistxattr(file, &mut list);
    }
    let Ok(length @ 1..) = length else { return Vec::new() };
    let names = list[..length].split(|byte| *byte == 0);
    let mut value = vec![0; LARGEST];
    let mut found = Vec::new();
    for name in names.filter_map(|name| std::str::from_utf8(name).ok()) {
        let Some(length) = travels(name).then(|| fgetxattr(file, name, &mut value).ok()).flatten()
        else {
            continue;
        };
        let value = &value[..length];
        // The guest finds the end of a record by its newline, and of its name by the first `=`.
        if name.contains(['=', '\n']) || value.contains(&b'\n') {
            let (path, name) = (shown(&member.path), shown(name.as_bytes()));
            warn(format!("{path} comes without its attribute {name}: a newline is in it"));
        } else {
            found.push((name.to_owned(), value.to_vec()));
        }
    }
    found.sort();
    found
}

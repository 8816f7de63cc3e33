//! The kernel's calls for mounts that have no place yet.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string,
    fsmount, fsopen, open_tree,
};

/// A file system of `inodes` files, none of which has any content.
pub(crate) fn empty(inodes: usize, attributes: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    // A page; nothing would be no limit.
    fsconfig_set_string(&context, c"size", c"4096")?;
    fsconfig_set_string(&context, c"nr_inodes", inodes.to_string())?;
    fsconfig_set_string(&context, c"mode", c"0755")?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A mount of this very object, wherever its name leads by now.
pub(crate) fn of(object: BorrowedFd<'_>) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(object, c"", flags)
}

/// Gives `attributes` to the mount itself, and keeps what is mounted in it from other namespaces.
pub(crate) fn restrict(mount: BorrowedFd<'_>, attributes: MountAttrFlags) -> io::Result<()> {
    set(mount.as_raw_fd(), c"", libc::AT_EMPTY_PATH, attributes)
}

/// Parts every mount that this process sees from those of other namespaces.
pub(crate) fn part_all() -> io::Result<()> {
    set(libc::AT_FDCWD, c"/", libc::AT_RECURSIVE, MountAttrFlags::empty())
}

fn set(at: i32, path: &CStr, flags: i32, attributes: MountAttrFlags) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: attributes.bits().into(),
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    // SAFETY: the path ends in zero, and the structure lives across the call and has the size that
    // is told.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A name that leads to what `object` is, even where it has none any more.
pub(crate) fn path_of(object: BorrowedFd<'_>) -> CString {
    let path = format!("/proc/self/fd/{}", object.as_raw_fd());
    CString::new(path).unwrap_or_default()
}

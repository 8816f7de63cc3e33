//! For tests: a real file system that is soon full.

use std::{
    os::fd::{AsRawFd as _, OwnedFd},
    path::PathBuf,
};

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};

/// A tmpfs that is mounted nowhere: only this process finds it, by its descriptor, and it is gone
/// with that, however the test ends. Needs root, as `kilnd` does.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    root: OwnedFd,
}

impl SmallDisk {
    pub(crate) fn new(bytes: u64, inodes: u64) -> Self {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        fsconfig_set_string(&context, "size", bytes.to_string()).unwrap();
        fsconfig_set_string(&context, "nr_inodes", inodes.to_string()).unwrap();
        fsconfig_create(&context).unwrap();
        let root =
            fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap();
        Self { root }
    }

    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.root.as_raw_fd()).into()
    }
}

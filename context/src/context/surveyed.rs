//! A directory, seen but not read.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};

use super::ContextError;
use crate::{
    Choice, Dockerfile, DockerfileError, Ignore, PackError, WalkError,
    cache::Key,
    dockerfile::{Plan, aside, aside_name, plan, plan_without},
    fingerprint::Fingerprint,
    pack::pack,
    walk::{Member, walk},
};

#[derive(Debug)]
pub(super) struct Surveyed {
    pub(super) root: PathBuf,
    directory: OwnedFd,
    members: Vec<Member>,
    pub(super) fingerprint: Fingerprint,
    pub(super) dockerfile: Option<Dockerfile>,
    pub(super) left_out: Vec<String>,
}

pub(super) fn survey(root: &Path, choice: Option<&Choice>) -> Result<Surveyed, ContextError> {
    let Plan { dockerfile, ignore, always, aside: put_aside } = match choice {
        Some(choice) => plan(root, choice)?,
        None => plan_without(root)?,
    };
    let rules = match &ignore {
        Some(file) => Ignore::parse(&file.content).map_err(|source| {
            let path = file.path.display().to_string();
            ContextError::Ignore { path, source }
        })?,
        None => Ignore::default(),
    };
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let directory = openat(CWD, root, flags, Mode::empty()).map_err(|error| {
        DockerfileError::Context { path: root.to_owned(), source: error.into() }
    })?;
    let seen_at = SystemTime::now();
    let mut found = walk(again(&directory)?, &rules, &always)?;
    if let Some(file) = &ignore {
        let is_other = |member: &&Member| {
            file.target.as_ref().or(file.place.as_ref()) == Some(&member.path)
                && !member.stamp.is_same(&file.stamp)
        };
        if let Some(member) = found.members.iter().find(is_other) {
            // It says other things by now.
            let path = crate::path::shown(&member.path);
            return Err(PackError::Changed { path }.into());
        }
    }
    let mut dockerfile = choice.map(|_| dockerfile);
    if let Some(content) = put_aside {
        let is_taken = |name: &[u8]| statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        let ignore = ignore.map(|file| file.content).unwrap_or_default();
        let (members, path) = aside(&aside_name(is_taken), content, &ignore);
        found.members.splice(..0, members);
        dockerfile = Some(Dockerfile::Path(path));
    }
    Ok(Surveyed {
        root: root.to_owned(),
        directory,
        fingerprint: Fingerprint::of(&found.members, seen_at),
        members: found.members,
        dockerfile,
        left_out: found.left_out,
    })
}

/// A descriptor of its own, for the walk.
fn again(directory: &OwnedFd) -> Result<OwnedFd, ContextError> {
    directory.try_clone().map_err(|source| WalkError::Read { path: ".".to_owned(), source }.into())
}

impl Surveyed {
    /// Every choice of the same directory has its own.
    pub(super) fn key(&self) -> Key {
        let root = std::fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        match &self.dockerfile {
            None => Key::of(&root, &[b"named"]),
            Some(Dockerfile::Inline(_)) => Key::of(&root, &[b"inline"]),
            Some(Dockerfile::Path(path)) => {
                Key::of(&root, &[b"path", Path::new(path).as_os_str().as_bytes()])
            }
        }
    }

    pub(super) fn pack(
        &self,
        offset: u64,
        take: &mut dyn FnMut(Bytes) -> io::Result<()>,
        warn: &mut dyn FnMut(String),
    ) -> Result<(), PackError> {
        pack(self.directory.as_fd(), &self.members, offset, take, warn)
    }
}

//! The files of one build, in memory: its order, what it was given, and what its client needs of its
//! own.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use kiln_buildkit::{Dockerfile, Order};

use super::{parts::Parts, request::Build};
use crate::kmsg;

const DOCKERFILE: &str = "Dockerfile";

/// A directory that is overwritten and removed when it is dropped. Names in it are numbers: those of
/// the host stand in no path.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    /// What must not stay in memory.
    secret: Vec<(PathBuf, usize)>,
}

impl Files {
    /// Below `memory`, which is on no disk. May block.
    pub(super) fn write(memory: &Path, id: &str, build: &Build) -> io::Result<Self> {
        let directory = memory.join(id);
        DirBuilder::new().recursive(true).mode(0o700).create(memory)?;
        DirBuilder::new().mode(0o700).create(&directory)?;
        let mut files = Self { directory, secret: Vec::new() };
        for path in [files.home(), files.sockets(), files.inline()] {
            DirBuilder::new().mode(0o700).create(path)?;
        }
        let Parts { secrets, ssh_keys, dockerfile, ignore, .. } = &build.parts;
        for (index, name) in build.secrets.iter().enumerate() {
            files.put_secret(&files.secret(index), &secrets[name])?;
        }
        for (index, ssh) in build.ssh.iter().enumerate() {
            if let Some(key) = ssh_keys.get(ssh.id()) {
                files.put_secret(&files.ssh_key(index), key)?;
            }
        }
        if let Some(dockerfile) = dockerfile {
            put(&files.inline().join(DOCKERFILE), dockerfile)?;
        }
        if let Some(ignore) = ignore {
            put(&files.inline().join(format!("{DOCKERFILE}.dockerignore")), ignore)?;
        }
        Ok(files)
    }

    /// May block.
    pub(super) fn put_order(&mut self, order: &Order) -> io::Result<()> {
        put(&self.order(), &serde_json::to_vec(order)?)
    }

    pub(super) fn order(&self) -> PathBuf {
        self.directory.join("order.json")
    }

    pub(super) fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    pub(super) fn secret(&self, index: usize) -> PathBuf {
        self.directory.join(format!("secret-{index}"))
    }

    pub(super) fn ssh_key(&self, index: usize) -> PathBuf {
        self.directory.join(format!("key-{index}"))
    }

    pub(super) fn socket(&self, index: usize) -> PathBuf {
        self.sockets().join(index.to_string())
    }

    /// One that was brought along.
    pub(super) fn dockerfile(&self) -> Dockerfile {
        Dockerfile { directory: self.inline(), name: DOCKERFILE.to_owned() }
    }

    fn sockets(&self) -> PathBuf {
        self.directory.join("ssh")
    }

    fn inline(&self) -> PathBuf {
        self.directory.join("inline")
    }

    fn put_secret(&mut self, path: &Path, data: &[u8]) -> io::Result<()> {
        // Before it is written: a write that fails may have written a part.
        self.secret.push((path.to_owned(), data.len()));
        put(path, data)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for (path, length) in &self.secret {
            if let Err(error) = overwrite(path, *length)
                && error.kind() != io::ErrorKind::NotFound
            {
                kmsg::error(format_args!("a build's file cannot be overwritten: {error}"));
            }
        }
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            kmsg::error(format_args!("a build's files cannot be removed: {error}"));
        }
    }
}

fn put(path: &Path, data: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)?.write_all(data)
}

fn overwrite(path: &Path, length: usize) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NOFOLLOW).open(path)?.write_all(&vec![0; length])
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _};

    use super::{super::request::Ssh, *};

    fn build() -> Build {
        let named = |name: &str, text: &str| BTreeMap::from([(name.into(), text.into())]);
        let parts = Parts {
            secrets: named("../../token", "one"),
            ssh_keys: named("deploy", "two"),
            dockerfile: Some(b"FROM scratch".to_vec()),
            ignore: Some(b"*".to_vec()),
            ..Default::default()
        };
        Build {
            secrets: vec!["../../token".into()],
            ssh: vec![Ssh::Relayed("default".into()), Ssh::Key("deploy".into())],
            parts,
            ..Build::default()
        }
    }

    #[test]
    fn files_are_the_agents_alone_and_gone_at_the_end() {
        let memory = tempfile::tempdir().unwrap();
        let files = Files::write(memory.path(), "one", &build()).unwrap();
        let read = |path: &Path| {
            let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
            fs::read_to_string(path).unwrap()
        };
        assert_eq!(read(&files.secret(0)), "one");
        assert_eq!(read(&files.ssh_key(1)), "two");
        assert!(!files.ssh_key(0).exists());
        assert_eq!(read(&files.inline().join(DOCKERFILE)), "FROM scratch");
        assert_eq!(fs::metadata(&files.directory).unwrap().permissions().mode() & 0o777, 0o700);
        // Whoever holds it open reads nothing of it any more.
        let mut held = fs::File::open(files.secret(0)).unwrap();
        drop(files);
        let mut left = String::new();
        io::Read::read_to_string(&mut held, &mut left).unwrap();
        assert_eq!(left, "\0\0\0");
        assert_eq!(fs::read_dir(memory.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_builds_of_one_name_are_one_too_many() {
        let memory = tempfile::tempdir().unwrap();
        let first = Files::write(memory.path(), "one", &build()).unwrap();
        let error = Files::write(memory.path(), "one", &build()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(first.secret(0).exists());
    }
}

mod changing;
mod known;
mod left;
mod packed;
mod sparse;

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::PathBuf,
    time::SystemTime,
};

use tempfile::TempDir;

use super::*;

/// A directory to build from.
struct Tree(TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, content) in files {
            tree.write(path, content);
        }
        tree
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        symlink(target, self.path(path)).unwrap();
    }

    /// Long ago, as far as its times tell: but for the kernel's own, which nobody can set.
    fn age(&self, path: &str) {
        let file = fs::File::open(self.path(path)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789))
            .unwrap();
    }

    fn context(&self) -> Context {
        self.choose(Choice::Usual).unwrap()
    }

    fn choose(&self, choice: Choice) -> Result<Context, ContextError> {
        Context::of_build(self.0.path(), choice, Cache::none())
    }
}

fn tar_of(context: &mut Context) -> Vec<u8> {
    let mut tar = Vec::new();
    let mut take = |chunk: Bytes| {
        tar.extend_from_slice(&chunk);
        Ok(())
    };
    context.write_from(0, &mut take).unwrap();
    tar
}

/// Its members' names.
fn names(context: &mut Context) -> Vec<String> {
    let tar = tar_of(context);
    let mut archive = tar::Archive::new(&tar[..]);
    let name = |entry: io::Result<tar::Entry<'_, &[u8]>>| {
        String::from_utf8_lossy(&entry.unwrap().path_bytes()).into_owned()
    };
    archive.entries().unwrap().map(name).collect()
}

//! The file system of the golden root, made by the mke2fs that is in it.
//!
//! Bookworm's mke2fs reads no tar, and what it makes of a directory differs from run to run.
//! Trixie's does neither, so it is taken out of the tree and run by its own loader and libraries.

use std::{
    fs::{self, File},
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use tar::{Archive, EntryType};

use crate::{
    architecture::HOST,
    digest::Digest,
    program::{Program, ProgramError},
    recipe::EPOCH,
};

const BLOCK: u64 = 4096;
const INODE: u64 = 256;

/// Why there is no file system.
#[derive(Debug, thiserror::Error)]
pub enum Ext4Error {
    #[error("{path} could not be read or written")]
    Io { path: PathBuf, source: io::Error },
    #[error("the root's own mke2fs failed")]
    Mke2fs(#[from] ProgramError),
}

/// Makes `image` of `tar`. The same tar and identity make the same bytes. Works in `scratch`.
pub(crate) fn make(
    tar: &Path,
    identity: Digest,
    scratch: &Path,
    image: &Path,
) -> Result<(), Ext4Error> {
    let tools = scratch.join("tools");
    let reading = |source| Ext4Error::Io { path: tar.to_path_buf(), source };
    let needs = unpack_tools(tar, &tools).map_err(reading)?;
    let uuid = identity.uuid().to_string();
    let libraries = tools.join("usr/lib").join(HOST.triplet);
    Program::new(libraries.join(HOST.loader))
        .arg("--library-path")
        .arg(&libraries)
        .arg(tools.join("usr/sbin/mke2fs"))
        // Never written to by a guest, so there is nothing to journal, to reserve or to grow.
        .args(["-q", "-F", "-t", "ext4", "-O", "^has_journal,^orphan_file,^resize_inode"])
        .args(["-b", &BLOCK.to_string(), "-I", &INODE.to_string(), "-m", "0"])
        .args(["-N", &needs.inodes.to_string(), "-U", &uuid])
        .args(["-E", &format!("hash_seed={uuid},assume_storage_prezeroed=1,root_owner=0:0")])
        .arg("-d")
        .args([tar, image])
        .arg(needs.blocks().to_string())
        .env("MKE2FS_CONFIG", tools.join("etc/mke2fs.conf"))
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
        .output()?;
    fs::remove_dir_all(&tools).map_err(|source| Ext4Error::Io { path: tools, source })
}

/// What the tree takes in a file system.
#[derive(Debug, Default)]
struct Needs {
    inodes: u64,
    content_blocks: u64,
}

impl Needs {
    /// With the inode tables, bitmaps and descriptors, and a fiftieth for what they cannot know:
    /// directories of several blocks and extents that do not fit into an inode.
    fn blocks(&self) -> u64 {
        let blocks = self.content_blocks + (self.inodes * INODE).div_ceil(BLOCK) + 256;
        blocks + blocks / 50
    }
}

/// Takes mke2fs and every shared library out of the tree, and measures the rest on the way.
fn unpack_tools(tar: &Path, tools: &Path) -> io::Result<Needs> {
    let mut needs = Needs { inodes: 64, content_blocks: 0 };
    let mut archive = Archive::new(BufReader::new(File::open(tar)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        needs.inodes += 1;
        needs.content_blocks += match entry.header().entry_type() {
            EntryType::Directory => 1,
            _ => entry.size().div_ceil(BLOCK),
        };
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if is_tool(&path) {
            let target = tools.join(&path);
            fs::create_dir_all(target.parent().unwrap_or(tools))?;
            entry.unpack(target)?;
        }
    }
    Ok(needs)
}

fn is_tool(path: &str) -> bool {
    let library = || {
        let file = path.strip_prefix("usr/lib/")?.strip_prefix(HOST.triplet)?.strip_prefix('/')?;
        Some(file.contains(".so") && !file.contains('/'))
    };
    ["etc/mke2fs.conf", "usr/sbin/mke2fs"].contains(&path) || library() == Some(true)
}

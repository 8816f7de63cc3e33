//! From mmdebstrap's tar to the root's: pruned, and with nothing in a header that varies.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
};

use tar::{Archive, Builder, Entry, EntryType, Header};

use super::{GoldenRootError, KernelModules, pruning};
use crate::{digest::Hasher, ledger::Ledger, recipe::EPOCH};

/// What GNU tar calls an extended attribute.
const XATTR: &str = "SCHILY.xattr.";

/// Copies what belongs into the root, in the order in which it comes, which is by name. The modules
/// come last.
pub(super) fn rewrite(
    whole: &Path,
    modules: &KernelModules<'_>,
    tar: &Path,
) -> Result<Ledger, GoldenRootError> {
    let reading = |source| GoldenRootError::Io { path: whole.to_path_buf(), source };
    let writing = |source| GoldenRootError::Io { path: tar.to_path_buf(), source };
    let mut input = Archive::new(BufReader::new(File::open(whole).map_err(reading)?));
    let mut output = Builder::new(BufWriter::new(File::create_new(tar).map_err(writing)?));
    let mut ledger = Ledger::default();
    for entry in input.entries().map_err(reading)? {
        let entry = entry.map_err(reading)?;
        let path = plain(&entry.path_bytes());
        if pruning::drops(&path) {
            continue;
        }
        let is_hard_link = entry.header().entry_type() == EntryType::Link;
        let target = entry.link_name_bytes().map(|target| {
            if is_hard_link {
                plain(&target)
            } else {
                String::from_utf8_lossy(&target).into_owned()
            }
        });
        if let Some(target) = &target
            && is_hard_link
            && pruning::drops(target)
        {
            return Err(GoldenRootError::HardLink { link: path, target: target.clone() });
        }
        copy(entry, path, target.as_deref(), &mut output, &mut ledger).map_err(writing)?;
    }
    modules.append(&mut output, &mut ledger).map_err(writing)?;
    output.into_inner().and_then(|mut file| file.flush()).map_err(writing)?;
    Ok(ledger)
}

/// `usr/bin` of `./usr/bin/`, and nothing of the root itself.
fn plain(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    path.strip_prefix('.').unwrap_or(&path).trim_matches('/').to_owned()
}

fn copy(
    mut entry: Entry<'_, impl Read>,
    path: String,
    target: Option<&str>,
    output: &mut Builder<impl Write>,
    ledger: &mut Ledger,
) -> io::Result<()> {
    let old = entry.header().clone();
    let mut new = Header::new_gnu();
    new.set_entry_type(old.entry_type());
    new.set_mode(old.mode()? & 0o7777);
    new.set_uid(old.uid()?);
    new.set_gid(old.gid()?);
    new.set_mtime(old.mtime()?.min(EPOCH));
    new.set_size(if target.is_some() { 0 } else { entry.size() });
    if matches!(old.entry_type(), EntryType::Block | EntryType::Char) {
        new.set_device_major(old.device_major()?.unwrap_or_default())?;
        new.set_device_minor(old.device_minor()?.unwrap_or_default())?;
    }
    let attributes = attributes(&mut entry)?;
    let facts = format!("{:?} {:o} {:?} {attributes:?}", old.entry_type(), old.mode()?, target);
    let mut hasher = Hasher::default();
    hasher.write_all(facts.as_bytes())?;
    hasher.write_all(&new.as_gnu().map(|gnu| [gnu.uid, gnu.gid].concat()).unwrap_or_default())?;
    hasher.write_all(&new.as_gnu().map(|gnu| gnu.mtime).unwrap_or_default())?;
    output.append_pax_extensions(attributes.iter().map(|(name, value)| (&**name, &**value)))?;
    let name = if path.is_empty() { "./" } else { &path };
    match target {
        Some(target) => output.append_link(&mut new, name, target)?,
        None => output.append_data(&mut new, name, Witness { from: entry, hasher: &mut hasher })?,
    }
    ledger.enter(path, hasher.finish());
    Ok(())
}

/// The extended attributes: file capabilities are among them.
fn attributes(entry: &mut Entry<'_, impl Read>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(Vec::new()) };
    let mut attributes = Vec::new();
    for extension in extensions {
        let extension = extension?;
        let name = extension.key().map_err(io::Error::other)?;
        if name.starts_with(XATTR) {
            attributes.push((name.to_owned(), extension.value_bytes().to_vec()));
        }
    }
    attributes.sort();
    Ok(attributes)
}

/// Reads, and keeps a digest of what was read.
struct Witness<'a, R> {
    from: R,
    hasher: &'a mut Hasher,
}

impl<R: Read> Read for Witness<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hasher.write_all(&buffer[..count])?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Module;

    /// A tar of entries that are (path, type, link target or content, time).
    fn tar(directory: &Path, entries: &[(&str, EntryType, &str, u64)]) -> std::path::PathBuf {
        let path = directory.join("whole.tar");
        let mut builder = Builder::new(File::create(&path).unwrap());
        for (path, kind, content, mtime) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o100_755);
            header.set_mtime(*mtime);
            header.set_uid(0);
            header.set_gid(42);
            header.set_size(0);
            if matches!(kind, EntryType::Link | EntryType::Symlink) {
                builder.append_link(&mut header, path, content).unwrap();
            } else {
                let attribute = ("SCHILY.xattr.security.capability", b"\x01\0\xff".as_slice());
                builder.append_pax_extensions([attribute, ("comment", b"varies")]).unwrap();
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, path, content.as_bytes()).unwrap();
            }
        }
        builder.finish().unwrap();
        path
    }

    #[test]
    fn what_stays_keeps_its_facts_and_loses_its_age() {
        let directory = tempfile::tempdir().unwrap();
        let whole = tar(
            directory.path(),
            &[
                ("./", EntryType::Directory, "", EPOCH + 5),
                ("./usr/bin/git", EntryType::Regular, "git", EPOCH + 5),
                ("./usr/bin/git-upload", EntryType::Link, "./usr/bin/git", 7),
                ("./usr/bin/sh", EntryType::Symlink, "../dash", 7),
                ("./var/log/dpkg.log", EntryType::Regular, "today", 7),
            ],
        );
        let pruned = directory.path().join("root.tar");
        let module = Module { file: "late.ko".to_owned(), content: b"late".to_vec() };
        let modules = KernelModules { release: "6.12", modules: &[module] };
        let ledger = rewrite(&whole, &modules, &pruned).unwrap();
        assert!(ledger.has("usr/lib/modules/6.12/late.ko"));
        let mut archive = Archive::new(File::open(&pruned).unwrap());
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let link =
                entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned());
            let header = entry.header().clone();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let added = path.starts_with("usr/lib/modules");
            let (mode, group) = (header.mode().unwrap(), header.gid().unwrap());
            assert_eq!((mode | 0o111, group), (0o755, if added { 0 } else { 42 }), "{path}");
            found.push((
                path,
                header.mtime().unwrap(),
                link,
                attributes(&mut entry).unwrap().len(),
            ));
        }
        let expected = [
            ("./", EPOCH, None, 1),
            ("usr/bin/git", EPOCH, None, 1),
            ("usr/bin/git-upload", 7, Some("usr/bin/git"), 0),
            ("usr/bin/sh", 7, Some("../dash"), 0),
            ("usr/lib/modules", EPOCH, None, 0),
            ("usr/lib/modules/6.12", EPOCH, None, 0),
            ("usr/lib/modules/6.12/late.ko", EPOCH, None, 0),
        ];
        let expected = expected.map(|(path, mtime, link, count)| {
            (path.to_owned(), mtime, link.map(str::to_owned), count)
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn a_link_to_what_is_dropped_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let whole = tar(directory.path(), &[("./usr/bin/p", EntryType::Link, "./usr/bin/perl", 0)]);
        let none = KernelModules { release: "6.12", modules: &[] };
        let error = rewrite(&whole, &none, &directory.path().join("root.tar")).unwrap_err();
        assert!(matches!(error, GoldenRootError::HardLink { link, .. } if link == "usr/bin/p"));
    }
}

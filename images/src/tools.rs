//! The programs that come along with an image and are in no guest until a host hands them in: a tar
//! of static ones, as a disk of its own.

use std::{
    io,
    path::{Path, PathBuf},
};

use tar::{Builder, EntryType, Header};

use crate::static_program::{self, StaticProgramError};

/// Why programs cannot be a guest's tools.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    #[error(transparent)]
    Program(#[from] StaticProgramError),
    #[error("{path} has no name that a tool could have")]
    Nameless { path: PathBuf },
    #[error("two tools are called {name}")]
    Twice { name: String },
    #[error("{name} could not be packed")]
    Pack { name: String, source: io::Error },
}

/// One tar of programs under their file names, the same whatever the order and times of the files.
pub(crate) fn pack(programs: &[PathBuf]) -> Result<Vec<u8>, ToolsError> {
    let mut named = programs
        .iter()
        .map(|path| Ok((name(path)?, path)))
        .collect::<Result<Vec<_>, ToolsError>>()?;
    named.sort();
    if let Some(pair) = named.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(ToolsError::Twice { name: pair[0].0.to_owned() });
    }
    let mut tar = Builder::new(Vec::new());
    for (name, path) in named {
        let content = static_program::read(path)?;
        append(&mut tar, name, &content)
            .map_err(|source| ToolsError::Pack { name: name.to_owned(), source })?;
    }
    tar.into_inner().map_err(|source| ToolsError::Pack { name: "their tar".to_owned(), source })
}

fn name(path: &Path) -> Result<&str, ToolsError> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.ok_or_else(|| ToolsError::Nameless { path: path.to_path_buf() })
}

fn append(tar: &mut Builder<Vec<u8>>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    header.set_cksum();
    tar.append(&header, content)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read as _};

    use super::*;

    /// A static program of no instructions, and then these bytes.
    fn program(rest: &[u8]) -> Vec<u8> {
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[0x20] = 64;
        elf[0x36] = 56;
        elf.extend(rest);
        elf
    }

    #[test]
    fn the_tar_is_the_same_in_any_order() {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["kiln-rootfs", "kiln-init"].map(|name| {
            let path = directory.path().join(name);
            fs::write(&path, program(name.as_bytes())).unwrap();
            path
        });
        let [one, other] = paths.clone();
        let tar = pack(&paths).unwrap();
        assert_eq!(tar, pack(&[other, one]).unwrap());
        assert_eq!(tar.len() % 512, 0);
        let mut archive = tar::Archive::new(&*tar);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let header = entry.header();
            assert_eq!((header.mode().unwrap(), header.mtime().unwrap()), (0o755, 0));
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            assert_eq!(content, program(name.as_bytes()));
            name
        });
        assert_eq!(entries.collect::<Vec<_>>(), ["kiln-init", "kiln-rootfs"]);
    }

    #[test]
    fn an_image_may_have_none() {
        let tar = pack(&[]).unwrap();
        assert!(tar.len().is_multiple_of(512) && tar.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_is_no_tool_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("script");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        let error = pack(std::slice::from_ref(&script)).unwrap_err();
        assert!(error.to_string().starts_with(script.to_str().unwrap()), "{error}");
        fs::write(&script, program(b"")).unwrap();
        let error = pack(&[script.clone(), script]).unwrap_err();
        assert!(matches!(error, ToolsError::Twice { name } if name == "script"));
        assert!(matches!(pack(&["/".into()]), Err(ToolsError::Nameless { .. })));
    }
}

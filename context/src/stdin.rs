//! A context on stdin: a tar, or a Dockerfile alone.
//!
//! A tar's ignore file counts for nothing, as with buildx. But the engine would find it in what is
//! unpacked; so the tar's Dockerfile goes aside, before the rest, with an ignore file of its own.

mod archive;
mod compression;
#[cfg(test)]
mod tests;

use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use self::{archive::Inside, compression::Compression};
use crate::{
    Context, Dockerfile, DockerfileError,
    context::Spool,
    dockerfile::{aside, aside_name, checked},
    pack::{CHUNK, heads},
};

/// What is looked at before it is known which it is.
const HEAD: usize = 1024;
const USUAL: &str = "Dockerfile";

#[derive(Debug)]
pub enum Stdin {
    Context(Box<Context>),
    Dockerfile(Vec<u8>),
}

#[derive(Debug, thiserror::Error)]
pub enum StdinError {
    #[error("stdin is empty: pass a tar of the context, or a Dockerfile")]
    Empty,
    #[error("cannot read stdin")]
    Read(#[source] io::Error),
    #[error(
        "cannot keep what comes from stdin in a file: is there room in the directory for temporary files?"
    )]
    Spool(#[source] io::Error),
    #[error("what comes from stdin is larger than {limit} bytes: build from a directory")]
    TooLarge { limit: u64 },
    #[error(
        "stdin is compressed with {name}, which is not taken: decompress it before, as with {program} -dc"
    )]
    Compressed { name: &'static str, program: &'static str },
    #[error("the gzip on stdin is damaged")]
    Gzip(#[source] io::Error),
    #[error("the tar on stdin is damaged")]
    Tar(#[source] io::Error),
    #[error("there is no {name} in the tar on stdin: --file names another")]
    Missing { name: String },
    #[error("{name} in the tar on stdin is no file")]
    NoFile { name: String },
    #[error("stdin is a Dockerfile, and --file names another: pass a tar, or leave --file away")]
    Twice,
    #[error(transparent)]
    Dockerfile(#[from] DockerfileError),
}

/// `file` is the Dockerfile's name in the tar; `limit` is in bytes, after decompression.
pub fn read_stdin(
    mut from: impl Read,
    file: Option<&Path>,
    limit: u64,
) -> Result<Stdin, StdinError> {
    let head = first(&mut from, HEAD).map_err(StdinError::Read)?;
    let whole = io::Cursor::new(head.clone()).chain(from);
    match Compression::of(&head) {
        None if head.is_empty() => Err(StdinError::Empty),
        None if archive::is_head(&head) => spooled(whole, file, limit, StdinError::Read),
        None if file.is_some() => Err(StdinError::Twice),
        None => {
            let mut content = Vec::new();
            let longest = crate::dockerfile::LONGEST + 1;
            whole.take(longest).read_to_end(&mut content).map_err(StdinError::Read)?;
            Ok(Stdin::Dockerfile(checked(content)?))
        }
        Some(Compression::Gzip) => {
            spooled(MultiGzDecoder::new(whole), file, limit, StdinError::Gzip)
        }
        Some(Compression::Other { name, program }) => Err(StdinError::Compressed { name, program }),
    }
}

fn spooled(
    from: impl Read,
    file: Option<&Path>,
    limit: u64,
    unread: fn(io::Error) -> StdinError,
) -> Result<Stdin, StdinError> {
    let mut spool = tempfile::tempfile().map_err(StdinError::Spool)?;
    let size = copy(from.take(limit.saturating_add(1)), &mut spool, unread)?;
    if size > limit {
        return Err(StdinError::TooLarge { limit });
    }
    spool.seek(SeekFrom::Start(0)).map_err(StdinError::Spool)?;
    let inside = Inside::read(&spool)?;
    let name = file.unwrap_or(Path::new(USUAL));
    let dockerfile = checked(inside.dockerfile(&spool, name, file.is_none())?)?;
    let (members, path) = aside(&aside_name(|name| inside.has(name)), dockerfile, b"");
    let before = Bytes::from(heads(&members));
    let dockerfile = Dockerfile::Path(path);
    let spool = Spool { before, file: spool, size, dockerfile };
    Ok(Stdin::Context(Box::new(Context::of_spool(spool))))
}

fn first(from: &mut impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    from.take(most as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn copy(
    mut from: impl Read,
    into: &mut impl Write,
    unread: fn(io::Error) -> StdinError,
) -> Result<u64, StdinError> {
    let (mut chunk, mut size) = (vec![0; CHUNK], 0);
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(size),
            Ok(count) => {
                into.write_all(&chunk[..count]).map_err(StdinError::Spool)?;
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unread(error)),
        }
    }
}

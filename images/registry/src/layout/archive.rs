//! A tar, read from a stream: one entry after the other, each in pieces, with little memory.
//!
//! ```text
//! (header (512 bytes) content padding)… zeros zeros
//! ```
//! Types `x`, `g`, `L` and `K` say more of the entry that follows.

use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use tar::{EntryType, Header, PaxExtensions};

use super::InvalidLayout;
use crate::content::Chunks;

pub(super) const BLOCK: usize = 512;
const MAX_ENTRIES: usize = 1 << 16;
/// Of what says more of an entry.
const MAX_EXTENSION_BYTES: u64 = 64 << 10;

pub struct Archive {
    chunks: Chunks,
    /// Arrived, and not read yet.
    buffer: Bytes,
    is_over: bool,
    entries: usize,
    /// The entry whose content comes now.
    path: String,
    left: u64,
    padding: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Without `./`; of no meaning beyond this archive.
    pub path: String,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    File {
        size: u64,
    },
    Directory,
    /// From the archive's root.
    Link {
        to: String,
    },
}

/// Said by the entries before one.
#[derive(Default)]
struct Extensions {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Archive {
    pub fn new(chunks: Chunks) -> Self {
        Self {
            chunks,
            buffer: Bytes::new(),
            is_over: false,
            entries: 0,
            path: "its first entry".to_owned(),
            left: 0,
            padding: 0,
        }
    }

    /// What is left of the entry before is passed over.
    pub async fn next(&mut self) -> Result<Option<Entry>, InvalidLayout> {
        let mut extensions = Extensions::default();
        loop {
            let Some(header) = self.header().await? else { return Ok(None) };
            let size = header.entry_size().map_err(|_| InvalidLayout::NotATar("a size is none"))?;
            let kind = header.entry_type();
            if matches!(
                kind,
                EntryType::XHeader
                    | EntryType::XGlobalHeader
                    | EntryType::GNULongName
                    | EntryType::GNULongLink
            ) {
                let content = self.extension(size).await?;
                extensions.read(kind, &content)?;
                continue;
            }
            return self.entry(&header, extensions, size).map(Some);
        }
    }

    /// The next piece of the entry's content; none at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, InvalidLayout> {
        if self.left == 0 {
            return Ok(None);
        }
        if !self.fill().await? {
            return Err(self.truncated());
        }
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.buffer.len());
        self.left -= length as u64;
        Ok(Some(self.buffer.split_to(length)))
    }

    /// All of the entry's content.
    pub async fn whole(&mut self, most: u64) -> Result<Bytes, InvalidLayout> {
        if self.left > most {
            let (path, bytes) = (self.path.clone(), self.left);
            return Err(InvalidLayout::TooLarge { path, bytes, most });
        }
        let mut whole = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    fn entry(
        &mut self,
        header: &Header,
        extensions: Extensions,
        size: u64,
    ) -> Result<Entry, InvalidLayout> {
        let Extensions { path, link, size: stated } = extensions;
        let size = stated.unwrap_or(size);
        let path = path.map_or_else(|| text(&header.path_bytes()), Ok)?;
        let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous => Kind::File { size },
            EntryType::Directory => Kind::Directory,
            EntryType::Link | EntryType::Symlink => {
                let to = match (link, header.link_name_bytes()) {
                    (Some(link), _) => link,
                    (None, Some(link)) => text(&link)?,
                    (None, None) => return Err(InvalidLayout::NotATar("a link leads nowhere")),
                };
                let is_symbolic = header.entry_type() == EntryType::Symlink;
                Kind::Link { to: if is_symbolic { beside(&path, &to) } else { to } }
            }
            _ => return Err(InvalidLayout::NotATar("it holds devices or sparse files")),
        };
        if !matches!(kind, Kind::File { .. }) && size > 0 {
            return Err(InvalidLayout::NotATar("what is no file has content"));
        }
        self.path.clone_from(&path);
        self.set_content(size);
        Ok(Entry { path, kind })
    }

    /// None at the end of the archive.
    async fn header(&mut self) -> Result<Option<Header>, InvalidLayout> {
        while self.piece().await?.is_some() {}
        let padding = std::mem::take(&mut self.padding);
        if self.entries > 0 && self.block(padding).await?.is_none_or(|block| block.len() < padding)
        {
            return Err(self.truncated());
        }
        let is_first = self.entries == 0;
        let Some(block) = self.block(BLOCK).await?.filter(|block| block.len() == BLOCK) else {
            // Two blocks of zeros end an archive.
            return Err(if is_first {
                InvalidLayout::NotATar("it is too short")
            } else {
                self.truncated()
            });
        };
        if is_first && let Some(with) = compression(&block) {
            return Err(InvalidLayout::Compressed { with });
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(InvalidLayout::TooManyEntries { most: MAX_ENTRIES });
        }
        let header = Header::from_byte_slice(&block);
        if header.cksum().ok() != Some(checksum(&block)) {
            return Err(InvalidLayout::NotATar("a header's checksum is not its own"));
        }
        Ok(Some(header.clone()))
    }

    async fn extension(&mut self, size: u64) -> Result<Bytes, InvalidLayout> {
        "an entry's name".clone_into(&mut self.path);
        self.set_content(size);
        self.whole(MAX_EXTENSION_BYTES).await
    }

    fn set_content(&mut self, size: u64) {
        self.left = size;
        self.padding = super::write::padding_length(size);
    }

    /// So many bytes, or fewer at the end of the stream; none where nothing comes any more.
    async fn block(&mut self, length: usize) -> Result<Option<Bytes>, InvalidLayout> {
        let mut block = BytesMut::with_capacity(length);
        while block.len() < length && self.fill().await? {
            let more = (length - block.len()).min(self.buffer.len());
            block.extend_from_slice(&self.buffer[..more]);
            self.buffer.advance(more);
        }
        Ok((!block.is_empty() || length == 0).then(|| block.freeze()))
    }

    /// False at the end of the stream.
    async fn fill(&mut self) -> Result<bool, InvalidLayout> {
        while self.buffer.is_empty() && !self.is_over {
            match self.chunks.next().await {
                Some(Ok(bytes)) => self.buffer = bytes,
                Some(Err(error)) => return Err(InvalidLayout::Stream(Arc::new(error))),
                None => self.is_over = true,
            }
        }
        Ok(!self.buffer.is_empty())
    }

    fn truncated(&self) -> InvalidLayout {
        InvalidLayout::Truncated { path: self.path.clone() }
    }
}

impl Extensions {
    fn read(&mut self, kind: EntryType, content: &[u8]) -> Result<(), InvalidLayout> {
        match kind {
            EntryType::GNULongName => self.path = Some(text(content)?),
            EntryType::GNULongLink => self.link = Some(text(content)?),
            EntryType::XHeader => {
                for record in PaxExtensions::new(content) {
                    let record =
                        record.map_err(|_| InvalidLayout::NotATar("an extension is malformed"))?;
                    let value = record.value_bytes();
                    match record.key_bytes() {
                        b"path" => self.path = Some(text(value)?),
                        b"linkpath" => self.link = Some(text(value)?),
                        b"size" => {
                            let size = text(value)?.parse();
                            let none = |_| InvalidLayout::NotATar("a size is none");
                            self.size = Some(size.map_err(none)?);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Where a symbolic link at `path` leads: nowhere, when it leaves the archive.
fn beside(path: &str, to: &str) -> String {
    let mut parts: Vec<_> = path.split('/').collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return String::new();
                }
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn text(bytes: &[u8]) -> Result<String, InvalidLayout> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    let text =
        std::str::from_utf8(bytes).map_err(|_| InvalidLayout::NotATar("a name is no text"))?;
    if text.chars().any(char::is_control) {
        return Err(InvalidLayout::NotATar("a name has control characters"));
    }
    Ok(text.to_owned())
}

/// Of a header, with spaces in place of what it says itself.
fn checksum(block: &[u8]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().copied().map(u32::from).sum::<u32>();
    sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..])
}

fn compression(block: &[u8]) -> Option<&'static str> {
    let magics: [(&[u8], _); 4] = [
        (b"\x1f\x8b", "gzip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xfd7zXZ", "xz"),
        (b"BZh", "bzip2"),
    ];
    magics.into_iter().find(|(magic, _)| block.starts_with(magic)).map(|(_, name)| name)
}

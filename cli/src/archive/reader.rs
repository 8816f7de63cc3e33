//! Reading a tar as strictly as one can.
//!
//! A tar is blocks of 512 bytes: a header, the member's bytes filled up to whole blocks, and at the
//! end two blocks of zeros. A PAX header (`x`) or GNU's long names (`L`, `K`) stand before the
//! member that they speak of and override its header, which is where readers of tar disagree with
//! each other. Here whatever two readers could understand differently is refused.

mod header;
mod pax;
mod sparse;

use std::io::{self, ErrorKind, Read};

pub(super) use self::sparse::{InvalidMap, Map, Segment};
use self::{
    header::{Header, InvalidHeader, Type},
    pax::{InvalidPax, Pax},
};
use super::{
    Limits,
    path::{InvalidPath, MemberPath, shown},
};

const BLOCK: usize = 512;
const ZEROS: [u8; BLOCK] = [0; BLOCK];
/// Of one PAX header: extended attributes are the largest thing in it.
const PAX_LIMIT: u64 = 256 << 10;
const LONG_NAME_LIMIT: u64 = 4096;
/// What eleven octal digits can say.
const OCTAL_LIMIT: u64 = 0o777_7777_7777;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("cannot read the archive")]
    Io(#[source] io::Error),
    #[error("the archive ends in the middle")]
    Truncated,
    #[error("something stands behind the end of the archive")]
    Trailing,
    #[error("a header of the archive is wrong (at byte {offset})")]
    Header { offset: u64, source: InvalidHeader },
    #[error("a PAX header of the archive is wrong (at byte {offset})")]
    Pax { offset: u64, source: InvalidPax },
    #[error("the map of a file with holes is wrong (at byte {offset})")]
    Map { offset: u64, source: InvalidMap },
    #[error("the {what} is {length} bytes long, at most {limit} are taken")]
    ExtensionTooLong { what: &'static str, length: u64, limit: u64 },
    #[error("a {what} stands twice, or with another, before one member (at byte {offset})")]
    DoubledExtension { what: &'static str, offset: u64 },
    #[error("a {what} belongs to no member (at byte {offset})")]
    LooseExtension { what: &'static str, offset: u64 },
    #[error("{path}: its headers do not agree about its size: {header} and {pax}")]
    SizesDisagree { path: String, header: u64, pax: u64 },
    #[error("the name {path:?} is not taken")]
    Path { path: String, source: InvalidPath },
    #[error("{path}: the name that it links to, {target:?}, is not taken")]
    Target { path: String, target: String, source: InvalidPath },
    #[error("{path}: {what}, and readers of tar disagree on what that means")]
    Ambiguous { path: String, what: &'static str },
    #[error("more than {limit} members, or segments of files with holes")]
    TooMany { limit: u64 },
    #[error("{path}: its {size} bytes are more than the {left} that are left of {limit}")]
    TooLarge { path: String, size: u64, left: u64, limit: u64 },
    #[error("{path}: its holes of {holes} bytes are more than the {left} that are left of {limit}")]
    TooHollow { path: String, holes: u64, left: u64, limit: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) path: MemberPath,
    pub(super) kind: Kind,
    /// With its holes; 0 unless a file.
    pub(super) size: u64,
    /// All twelve bits of it.
    pub(super) mode: u32,
    pub(super) mtime: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// Its bytes are those of the map's segments, one after the other.
    Sparse {
        map: Map,
    },
    Directory,
    Symlink {
        target: Vec<u8>,
    },
    HardLink {
        target: MemberPath,
    },
    Special {
        name: &'static str,
    },
}

#[derive(Debug)]
pub(super) struct Reader<R> {
    source: R,
    limits: Limits,
    /// Of the archive, how much has been read.
    offset: u64,
    members: u64,
    bytes: u64,
    holes: u64,
    /// Of the last member's bytes, and of what fills them up to whole blocks.
    body: u64,
    padding: u64,
    is_over: bool,
}

/// What stood before a member.
#[derive(Debug, Default)]
struct Extensions {
    pax: Option<Pax>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(source: R, limits: Limits) -> Self {
        Self {
            source,
            limits,
            offset: 0,
            members: 0,
            bytes: 0,
            holes: 0,
            body: 0,
            padding: 0,
            is_over: false,
        }
    }

    /// The next member; the rest of the last one is skipped. `None` at the end, behind which
    /// nothing stands.
    pub(super) fn next(&mut self) -> Result<Option<Member>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        self.skip(self.body + self.padding)?;
        (self.body, self.padding) = (0, 0);
        let mut extensions = Extensions::default();
        loop {
            let offset = self.offset;
            let block = self.block()?;
            if block == ZEROS {
                extensions.belong(offset)?;
                self.end()?;
                self.is_over = true;
                return Ok(None);
            }
            let header =
                Header::parse(&block).map_err(|source| ReadError::Header { offset, source })?;
            match header.kind {
                Type::Pax if !extensions.is_empty() => {
                    return Err(ReadError::DoubledExtension { what: "PAX header", offset });
                }
                Type::Pax => {
                    let payload = self.payload("PAX header", header.size, PAX_LIMIT)?;
                    let wrong = |source| ReadError::Pax { offset, source };
                    extensions.pax = Some(Pax::parse(&payload).map_err(wrong)?);
                }
                Type::GlobalPax => {
                    extensions.belong(offset)?;
                    let payload = self.payload("global PAX header", header.size, PAX_LIMIT)?;
                    let wrong = |source| ReadError::Pax { offset, source };
                    pax::check_global(&payload).map_err(wrong)?;
                }
                Type::LongName => {
                    let name = self.long_name("long name", header.size, offset)?;
                    extensions.set_long(|own| &mut own.name, name, offset)?;
                }
                Type::LongLink => {
                    let name = self.long_name("long link", header.size, offset)?;
                    extensions.set_long(|own| &mut own.link, name, offset)?;
                }
                Type::Sparse => {
                    let map = self.map(&block, header.size, offset)?;
                    return self.member(header, extensions, Some(map)).map(Some);
                }
                _ => return self.member(header, extensions, None).map(Some),
            }
        }
    }

    fn member(
        &mut self,
        header: Header,
        extensions: Extensions,
        map: Option<Map>,
    ) -> Result<Member, ReadError> {
        let Extensions { pax, name, link } = extensions;
        let pax = pax.unwrap_or_default();
        let raw = pax.path.or(name).unwrap_or(header.name);
        let path = MemberPath::parse(&raw, self.limits.depth)
            .map_err(|source| ReadError::Path { path: shown(&raw), source })?;
        let size = match pax.size {
            None => header.size,
            // What octal digits cannot say, the header leaves at 0.
            Some(size) if size == header.size || (header.size == 0 && size > OCTAL_LIMIT) => size,
            Some(pax) => {
                let (path, header) = (path.shown(), header.size);
                return Err(ReadError::SizesDisagree { path, header, pax });
            }
        };
        let ambiguous = |what| ReadError::Ambiguous { path: path.shown(), what };
        let has_link = pax.link.is_some() || link.is_some();
        let target = pax.link.or(link).unwrap_or(header.link);
        let kind = match header.kind {
            Type::File | Type::Sparse if raw.ends_with(b"/") => {
                return Err(ambiguous("it is a file whose name ends with a slash"));
            }
            Type::Sparse if pax.size.is_some() => {
                return Err(ambiguous("it has holes, and its size in a PAX header"));
            }
            Type::File | Type::Sparse => map.map_or(Kind::File, |map| Kind::Sparse { map }),
            Type::Directory => Kind::Directory,
            Type::Special(name) => Kind::Special { name },
            Type::Symlink if target.is_empty() => {
                return Err(ambiguous("it is a link to nothing"));
            }
            Type::Symlink => Kind::Symlink { target },
            Type::HardLink => {
                let wrong = |source| {
                    let (path, target) = (path.shown(), shown(&target));
                    ReadError::Target { path, target, source }
                };
                Kind::HardLink {
                    target: MemberPath::parse(&target, self.limits.depth).map_err(wrong)?,
                }
            }
            // They are dealt with before.
            Type::Pax | Type::GlobalPax | Type::LongName | Type::LongLink => {
                return Err(ambiguous("it is no member"));
            }
        };
        let is_link = matches!(kind, Kind::Symlink { .. } | Kind::HardLink { .. });
        if has_link && !is_link {
            return Err(ambiguous("it has the target of a link and is none"));
        }
        let is_file = matches!(kind, Kind::File | Kind::Sparse { .. });
        if size > 0 && !is_file {
            return Err(ambiguous("it has a size and is no file"));
        }
        if is_link && raw.ends_with(b"/") {
            return Err(ambiguous("it is a link whose name ends with a slash"));
        }
        if path.is_root() && kind != Kind::Directory {
            return Err(ambiguous("it takes the place of the root"));
        }
        self.count(&path, size)?;
        self.body = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        let size = match &kind {
            Kind::Sparse { map } => self.count_holes(&path, map)?,
            _ => size,
        };
        Ok(Member { path, kind, size, mode: header.mode, mtime: pax.mtime.unwrap_or(header.mtime) })
    }

    fn count(&mut self, path: &MemberPath, size: u64) -> Result<(), ReadError> {
        self.members += 1;
        if self.members > self.limits.entries {
            return Err(ReadError::TooMany { limit: self.limits.entries });
        }
        let limit = self.limits.bytes;
        let left = limit - self.bytes;
        if size > left {
            return Err(ReadError::TooLarge { path: path.shown(), size, left, limit });
        }
        self.bytes += size;
        Ok(())
    }

    fn long_name(
        &mut self,
        what: &'static str,
        length: u64,
        offset: u64,
    ) -> Result<Vec<u8>, ReadError> {
        let mut name = self.payload(what, length, LONG_NAME_LIMIT)?;
        // It ends with a zero byte, and nothing stands behind that.
        let end = name.iter().position(|&byte| byte == 0);
        match end {
            Some(end) if end > 0 && name[end..].iter().all(|&byte| byte == 0) => {
                name.truncate(end);
                Ok(name)
            }
            _ => Err(ReadError::Header { offset, source: InvalidHeader::LongName }),
        }
    }

    fn payload(
        &mut self,
        what: &'static str,
        length: u64,
        limit: u64,
    ) -> Result<Vec<u8>, ReadError> {
        if length > limit {
            return Err(ReadError::ExtensionTooLong { what, length, limit });
        }
        let mut payload = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.fill(&mut payload)?;
        self.skip(length.next_multiple_of(BLOCK as u64) - length)?;
        Ok(payload)
    }

    /// The second block of zeros, and nothing else behind it.
    fn end(&mut self) -> Result<(), ReadError> {
        if self.block()? != ZEROS {
            return Err(ReadError::Trailing);
        }
        let mut buffer = [0; 16 << 10];
        loop {
            match self.source.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) if buffer[..read].iter().all(|&byte| byte == 0) => {}
                Ok(_) => return Err(ReadError::Trailing),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io(error)),
            }
        }
    }

    fn block(&mut self) -> Result<[u8; BLOCK], ReadError> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        Ok(block)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.source.read_exact(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => ReadError::Truncated,
            _ => ReadError::Io(error),
        })?;
        self.offset += buffer.len() as u64;
        Ok(())
    }

    fn skip(&mut self, mut count: u64) -> Result<(), ReadError> {
        let mut buffer = [0; 16 << 10];
        while count > 0 {
            let part = usize::try_from(count).unwrap_or(usize::MAX).min(buffer.len());
            self.fill(&mut buffer[..part])?;
            count -= part as u64;
        }
        Ok(())
    }

    /// The next bytes of the current member; 0 behind its last one.
    pub(super) fn read_body(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let part = usize::try_from(self.body).unwrap_or(usize::MAX).min(buffer.len());
        self.fill(&mut buffer[..part])?;
        self.body -= part as u64;
        Ok(part)
    }
}

impl Extensions {
    fn is_empty(&self) -> bool {
        let Self { pax, name, link } = self;
        pax.is_none() && name.is_none() && link.is_none()
    }

    fn set_long(
        &mut self,
        place: impl FnOnce(&mut Self) -> &mut Option<Vec<u8>>,
        name: Vec<u8>,
        offset: u64,
    ) -> Result<(), ReadError> {
        // A PAX header beside it may say other things; not what this name is.
        let named = self.pax.as_ref().is_some_and(|pax| pax.path.is_some() || pax.link.is_some());
        if named || place(self).replace(name).is_some() {
            return Err(ReadError::DoubledExtension { what: "long name", offset });
        }
        Ok(())
    }

    /// Nothing may stand before what is no member.
    fn belong(&self, offset: u64) -> Result<(), ReadError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(ReadError::LooseExtension { what: "PAX header or long name", offset })
        }
    }
}

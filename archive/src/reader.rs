//! Reading a tar as strictly as one can.
//!
//! A tar is blocks of 512 bytes: a header, the member's bytes filled up to whole blocks, and at the
//! end two blocks of zeros. A PAX header (`x`) or GNU's long names (`L`, `K`) stand before the
//! member that they speak of and override its header, which is where readers of tar disagree with
//! each other. Here whatever two readers could understand differently is refused.

mod attribute;
#[cfg(test)]
mod disagreement;
mod extensions;
mod header;
mod kind;
mod pax;
mod records;
mod sparse;

use std::io::{self, ErrorKind, Read};

pub(crate) use self::pax::decimal;
use self::{
    extensions::Extensions,
    header::{Header, Type},
    pax::Pax,
};
pub use self::{
    header::InvalidHeader,
    pax::InvalidPax,
    sparse::{InvalidMap, Map, Segment},
};
use crate::{Dialect, InvalidPath, Kind, Limits, Member, MemberPath, Time, shown};

const BLOCK: usize = 512;
const ZEROS: [u8; BLOCK] = [0; BLOCK];
/// Of one PAX header: extended attributes are the largest thing in it.
const PAX_LIMIT: u64 = 256 << 10;
const LONG_NAME_LIMIT: u64 = 4096;
/// What eleven octal digits can say.
const OCTAL_LIMIT: u64 = 0o777_7777_7777;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
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

#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    dialect: Dialect,
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

impl<R: Read> Reader<R> {
    pub fn new(source: R, dialect: Dialect, limits: Limits) -> Self {
        Self {
            source,
            dialect,
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
    #[expect(clippy::should_implement_trait, reason = "what is read between two is the caller's")]
    pub fn next(&mut self) -> Result<Option<Member>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        self.skip(self.body + self.padding)?;
        (self.body, self.padding) = (0, 0);
        let mut extensions = Extensions::default();
        // Where a member could begin the archive may just end; not behind what is no member.
        let mut may_miss = self.dialect.takes_missing_end() && self.members > 0;
        loop {
            let offset = self.offset;
            let Some(block) = self.header_block(&extensions, may_miss)? else {
                self.is_over = true;
                return Ok(None);
            };
            may_miss = false;
            let header =
                Header::parse(&block).map_err(|source| ReadError::Header { offset, source })?;
            match header.kind {
                Type::Pax if !extensions.is_empty() => {
                    return Err(ReadError::DoubledExtension { what: "PAX header", offset });
                }
                Type::Pax => {
                    let payload = self.payload("PAX header", header.size, PAX_LIMIT)?;
                    let wrong = |source| ReadError::Pax { offset, source };
                    extensions.pax = Some(Pax::parse(&payload, self.dialect).map_err(wrong)?);
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
                    return self.member(header, extensions, Some(map), offset).map(Some);
                }
                _ => return self.member(header, extensions, None, offset).map(Some),
            }
        }
    }

    /// The next header, which is none at the archive's end.
    fn header_block(
        &mut self,
        extensions: &Extensions,
        may_miss: bool,
    ) -> Result<Option<[u8; BLOCK]>, ReadError> {
        let offset = self.offset;
        let mut block = [0; BLOCK];
        let is_missing = may_miss && !self.begin(&mut block)?;
        if !is_missing {
            let begun = usize::from(self.offset > offset);
            self.fill(&mut block[begun..])?;
            if block != ZEROS {
                return Ok(Some(block));
            }
        }
        extensions.belong(offset)?;
        if !is_missing {
            self.end(may_miss)?;
        }
        Ok(None)
    }

    /// The first byte of a block, if there is one.
    fn begin(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, ReadError> {
        loop {
            match self.source.read(&mut block[..1]) {
                Ok(read) => {
                    self.offset += read as u64;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io(error)),
            }
        }
    }

    fn member(
        &mut self,
        header: Header,
        extensions: Extensions,
        map: Option<Map>,
        offset: u64,
    ) -> Result<Member, ReadError> {
        let Extensions { pax, name, link } = extensions;
        let pax = pax.unwrap_or_default();
        let mut raw = pax.path.or(name).unwrap_or(header.name);
        if let Some(name) = pax.holes.as_ref().and_then(|holes| holes.name.clone()) {
            raw = name;
        }
        let path = self.path(&raw);
        let path = path.map_err(|source| ReadError::Path { path: shown(&raw), source })?;
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
        if header.kind == Type::Sparse && pax.size.is_some() {
            return Err(ambiguous("it has holes, and its size in a PAX header"));
        }
        if pax.holes.is_some() && header.kind != Type::File {
            return Err(ambiguous("it has a map of holes and is no file"));
        }
        let named = kind::Named { path: &path, raw: &raw, link: pax.link.or(link) };
        let kind = self.kind(header.kind, named, header.link, size, map)?;
        self.count(&path, size)?;
        self.body = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        let kind = match pax.holes {
            Some(holes) => Kind::Sparse { map: self.pax_map(holes, offset)? },
            None => kind,
        };
        let size = match &kind {
            Kind::Sparse { map } => self.count_holes(&path, map)?,
            _ => size,
        };
        Ok(Member {
            path,
            kind,
            size,
            mode: header.mode,
            user: pax.user.unwrap_or(header.user),
            group: pax.group.unwrap_or(header.group),
            modified: pax.mtime.unwrap_or(Time::of_seconds(header.mtime)),
            attributes: pax.attributes,
        })
    }

    fn path(&self, name: &[u8]) -> Result<MemberPath, InvalidPath> {
        if self.dialect.takes_absolute_names() {
            MemberPath::parse_below_root(name, self.limits.depth)
        } else {
            MemberPath::parse(name, self.limits.depth)
        }
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
    fn end(&mut self, may_miss: bool) -> Result<(), ReadError> {
        if !may_miss && self.block()? != ZEROS {
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
    pub fn read_body(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let part = usize::try_from(self.body).unwrap_or(usize::MAX).min(buffer.len());
        self.fill(&mut buffer[..part])?;
        self.body -= part as u64;
        Ok(part)
    }

    /// Where in the archive the next byte stands that will be read: behind [`next`](Self::next), a
    /// file's first one.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Passes over the rest of the current member as `advance` moves the source, by a number of bytes,
    /// without reading them.
    pub fn step_over(
        &mut self,
        advance: impl FnOnce(&mut R, u64) -> io::Result<()>,
    ) -> Result<(), ReadError> {
        let count = self.body + self.padding;
        advance(&mut self.source, count).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => ReadError::Truncated,
            _ => ReadError::Io(error),
        })?;
        self.offset += count;
        (self.body, self.padding) = (0, 0);
        Ok(())
    }
}

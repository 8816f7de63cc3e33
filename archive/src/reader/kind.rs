//! What a member is, once all that is said of it has been read.

use std::io::Read;

use super::{Map, ReadError, Reader, header::Type};
use crate::{Kind, MemberPath, shown};

pub(super) struct Named<'a> {
    pub(super) path: &'a MemberPath,
    /// The name as it stands there.
    pub(super) raw: &'a [u8],
    /// What it links to, of an extension.
    pub(super) link: Option<Vec<u8>>,
}

impl<R: Read> Reader<R> {
    pub(super) fn kind(
        &self,
        told: Type,
        named: Named<'_>,
        header_link: Vec<u8>,
        size: u64,
        map: Option<Map>,
    ) -> Result<Kind, ReadError> {
        let Named { path, raw, link } = named;
        let ambiguous = |what| ReadError::Ambiguous { path: path.shown(), what };
        let has_link = link.is_some();
        let target = link.unwrap_or(header_link);
        let kind = match told {
            Type::File | Type::Sparse if raw.ends_with(b"/") => {
                return Err(ambiguous("it is a file whose name ends with a slash"));
            }
            Type::File | Type::Sparse => map.map_or(Kind::File, |map| Kind::Sparse { map }),
            Type::Directory => Kind::Directory,
            Type::CharacterDevice((major, minor)) => Kind::CharacterDevice { major, minor },
            Type::BlockDevice((major, minor)) => Kind::BlockDevice { major, minor },
            Type::Fifo => Kind::Fifo,
            Type::Symlink if target.is_empty() => {
                return Err(ambiguous("it is a link to nothing"));
            }
            Type::Symlink => Kind::Symlink { target },
            Type::HardLink => {
                let wrong = |source| {
                    let (path, target) = (path.shown(), shown(&target));
                    ReadError::Target { path, target, source }
                };
                Kind::HardLink { target: self.path(&target).map_err(wrong)? }
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
        if size > 0 && !matches!(kind, Kind::File | Kind::Sparse { .. }) {
            return Err(ambiguous("it has a size and is no file"));
        }
        if is_link && raw.ends_with(b"/") {
            return Err(ambiguous("it is a link whose name ends with a slash"));
        }
        if path.is_root() && kind != Kind::Directory {
            return Err(ambiguous("it takes the place of the root"));
        }
        Ok(kind)
    }
}

//! What of an inode takes blocks.

use crate::tree::Content;

use super::geometry::BLOCK;

/// Blocks of a file that follow each other in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) start: u32,
    pub(super) length: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// A block for attributes that the inode has no room for.
    pub(super) attributes: bool,
    /// What is in no stretch is a hole.
    pub(super) data: Box<[Stretch]>,
}

impl Need {
    /// So many blocks from the start on.
    pub(super) fn whole(blocks: u32) -> Box<[Stretch]> {
        Box::new([Stretch { start: 0, length: blocks }])
    }
}

/// The blocks that a file's pieces touch; nothing if the file is larger than a file can be, or if its
/// pieces are not in order.
pub(super) fn of_content(content: &Content) -> Option<Box<[Stretch]>> {
    u32::try_from(content.size.div_ceil(BLOCK)).ok().filter(|blocks| *blocks < u32::MAX)?;
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut before = 0;
    for piece in content.pieces.iter().filter(|piece| piece.length > 0) {
        let end = piece.at.checked_add(piece.length)?;
        if piece.at < before || end > content.size {
            return None;
        }
        before = end;
        let start = u32::try_from(piece.at / BLOCK).ok()?;
        let end = u32::try_from(end.div_ceil(BLOCK)).ok()?;
        match stretches.last_mut() {
            Some(last) if last.start + last.length >= start => last.length = end - last.start,
            _ => stretches.push(Stretch { start, length: end - start }),
        }
    }
    Some(stretches.into())
}

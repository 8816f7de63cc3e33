//! Which parts of a file stand in the archive, and which are holes.

use super::{BLOCK, HOLE};
use crate::tree::Content;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) at: u64,
    pub(super) length: u64,
}

impl Region {
    pub(super) fn end(&self) -> u64 {
        self.at + self.length
    }
}

/// Whole multiples of a hole, but for the end of the file: GNU tar lets every region begin in a block
/// of its own and others take them one right behind the other, so no region may end within a block.
pub(super) fn of(content: &Content) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    for piece in content.pieces.iter().filter(|piece| piece.length > 0) {
        let at = piece.at - piece.at % HOLE;
        let end = (piece.at + piece.length).next_multiple_of(HOLE).min(content.size);
        match regions.last_mut() {
            Some(last) if at <= last.end() => last.length = end - last.at,
            _ => regions.push(Region { at, length: end - at }),
        }
    }
    // A last part that is shorter than a hole is none.
    let tail = content.size - content.size % HOLE;
    match regions.last_mut() {
        Some(last) if last.end() == tail => last.length = content.size - last.at,
        None if tail == 0 && content.size > 0 => {
            regions.push(Region { at: 0, length: content.size });
        }
        _ => {}
    }
    regions
}

/// Whether the pieces are in order, apart from each other and inside the file.
pub(super) fn are_sound(content: &Content) -> bool {
    let mut end = 0;
    content.pieces.iter().all(|piece| {
        let is_apart = piece.at >= end;
        let fits = piece.at.checked_add(piece.length).is_some_and(|end| end <= content.size);
        end = piece.at.saturating_add(piece.length);
        is_apart && fits
    })
}

pub(super) fn is_whole(regions: &[Region], size: u64) -> bool {
    match regions {
        [] => size == 0,
        [only] => only.at == 0 && only.length == size,
        _ => false,
    }
}

/// How many regions, then where each is and how long, a number a line, filled up to whole blocks. A
/// hole at the end is told by an empty region there.
pub(super) fn map(regions: &[Region], size: u64) -> Vec<u8> {
    let end = regions.last().map_or(0, Region::end);
    let ending = (end < size).then_some(Region { at: size, length: 0 });
    let mut lines = vec![(regions.len() + usize::from(ending.is_some())).to_string()];
    for region in regions.iter().copied().chain(ending) {
        lines.push(region.at.to_string());
        lines.push(region.length.to_string());
    }
    let mut map = lines.join("\n").into_bytes();
    map.push(b'\n');
    let block = usize::try_from(BLOCK).unwrap_or(1);
    map.resize(map.len().next_multiple_of(block), 0);
    map
}

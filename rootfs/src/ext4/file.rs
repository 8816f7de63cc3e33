//! A file's bytes, from where they are stored to where its extents are.
//!
//! They are read and written, not copied by the kernel: that was no faster, and it writes zeros.

use std::ops::Range;

use crate::{
    store::{Piece, Store},
    tree::Content,
};

use super::{extents::Extent, fault::Fault, geometry::BLOCK, output::Output};

pub(super) fn write(
    content: &Content,
    extents: &[Extent],
    store: &Store,
    output: &mut Output<'_>,
) -> Result<(), Fault> {
    let mut pieces = content.pieces.iter().filter(|piece| piece.length > 0).peekable();
    for extent in extents {
        output.seek(extent.physical * BLOCK)?;
        let mut position = u64::from(extent.logical) * BLOCK;
        let end = position + u64::from(extent.length) * BLOCK;
        while position < end {
            while pieces.next_if(|piece| piece.at + piece.length <= position).is_some() {}
            position = match pieces.peek() {
                Some(piece) if piece.at <= position => {
                    let stop = end.min(piece.at + piece.length);
                    copy(piece, position..stop, store, output)?;
                    stop
                }
                ahead => {
                    let stop = ahead.map_or(end, |piece| piece.at.min(end));
                    output.zeros(stop - position)?;
                    stop
                }
            };
        }
    }
    Ok(())
}

/// Copies a range of the file that is all in one piece.
fn copy(
    piece: &Piece,
    range: Range<u64>,
    store: &Store,
    output: &mut Output<'_>,
) -> Result<(), Fault> {
    let mut position = range.start;
    while position < range.end {
        let room = output.room(range.end - position)?;
        let offset = piece.offset + (position - piece.at);
        store.read(piece.store, offset, room).map_err(Fault::Read)?;
        position += room.len() as u64;
    }
    Ok(())
}

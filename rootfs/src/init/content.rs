//! A file's bytes, from where they stand.

use std::io;

use crate::{
    store::Store,
    tree::{Content, Kind, NodeId, Tree},
};

#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("not a file")]
    NotFile,
    #[error("larger than {0} bytes")]
    Large(u64),
    #[error(transparent)]
    Store(#[from] io::Error),
}

/// All of them.
pub(super) fn whole(
    tree: &Tree,
    store: &Store,
    node: NodeId,
    limit: u64,
) -> Result<Vec<u8>, ContentError> {
    let content = of(tree, node)?;
    if content.size > limit {
        return Err(ContentError::Large(limit));
    }
    Ok(part(store, content, 0, limit)?)
}

pub(super) fn of(tree: &Tree, node: NodeId) -> Result<&Content, ContentError> {
    match &tree.node(node).kind {
        Kind::File(content) => Ok(content),
        _ => Err(ContentError::NotFile),
    }
}

/// `length` of them from `start` on, or as many as there are; holes are zeroes.
pub(super) fn part(store: &Store, file: &Content, start: u64, length: u64) -> io::Result<Vec<u8>> {
    let end = start.saturating_add(length).min(file.size);
    let size = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
    let mut bytes = vec![0; size];
    for piece in &file.pieces {
        let (from, to) = (piece.at.max(start), (piece.at.saturating_add(piece.length)).min(end));
        if from >= to {
            continue;
        }
        let place = |at: u64| usize::try_from(at - start).map_err(io::Error::other);
        let target = bytes.get_mut(place(from)?..place(to)?);
        let target = target.ok_or(io::ErrorKind::UnexpectedEof)?;
        store.read(piece.store, piece.offset.saturating_add(from - piece.at), target)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Piece;

    #[test]
    fn parts_are_put_together_with_holes() {
        let mut store = Store::default();
        let one = store.add_bytes(*b"xxabcxx");
        let two = store.add_bytes(*b"def");
        let file = Content {
            size: 10,
            pieces: vec![
                Piece { at: 1, length: 3, store: one, offset: 2 },
                Piece { at: 6, length: 3, store: two, offset: 0 },
            ],
        };
        let check = |start, length, expected: &[u8]| {
            assert_eq!(part(&store, &file, start, length).unwrap(), expected);
        };
        check(0, 100, b"\0abc\0\0def\0");
        check(2, 5, b"bc\0\0d");
        check(8, 1, b"f");
        check(10, 5, b"");
        check(u64::MAX, 5, b"");
    }
}

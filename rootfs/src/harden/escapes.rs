//! Links that lead out of the root for whoever reads the tree from outside.

use super::follow::Place;
use crate::tree::{Kind, Tree};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escape {
    pub path: Vec<u8>,
    pub target: Vec<u8>,
}

/// Those that climb above the root, those that go through a process to another's root, and those that
/// wind too much for anyone to say.
pub(super) fn find(tree: &Tree) -> Vec<Escape> {
    let mut found = Vec::new();
    let mut walk = tree.walk();
    while let Some((path, id)) = walk.advance() {
        let Kind::Symlink(target) = &tree.node(id).kind else { continue };
        // The walk's own path has no links in it, so its directory is found by its names.
        let directory = path.iter().rposition(|byte| *byte == b'/').map_or(0, |end| end);
        let place = Place::root(tree).at(&path[..directory]).at(target);
        if place.climbed || place.lost || is_of_a_process(&place) {
            found.push(Escape { path: path.to_vec(), target: target.to_vec() });
        }
    }
    found
}

fn is_of_a_process(place: &Place<'_>) -> bool {
    let mut names = place.names();
    names.next() == Some(b"proc") && names.skip(1).any(|name| matches!(name, b"root" | b"cwd"))
}

//! Directories by their places.

use super::Place;
use crate::{
    removal::{Fate, Removal},
    tree::{Kind, Node, NodeId, Tree},
};

/// Takes what is below these places; those where nothing was are not told of.
pub(super) fn sweep(
    removal: &mut Removal<'_>,
    pattern: &str,
    decide: &dyn Fn(&[u8], &Node) -> Fate,
) -> Vec<Place> {
    let mut places = Vec::new();
    for (path, directory) in find(removal.tree(), pattern) {
        let freed = removal.sweep(directory, decide);
        if !freed.is_nothing() {
            places.push(Place { path, freed });
        }
    }
    places
}

/// Directories, no links to them. `*` is any one name.
pub(super) fn find(tree: &Tree, pattern: &str) -> Vec<(Vec<u8>, NodeId)> {
    let mut found = vec![(Vec::new(), Tree::ROOT)];
    for component in pattern.split('/') {
        let below = |(path, id): &(Vec<u8>, NodeId)| -> Vec<(Vec<u8>, NodeId)> {
            let Kind::Directory(children) = &tree.node(*id).kind else { return Vec::new() };
            let fitting = children.iter().filter(|(name, child)| {
                (component == "*" || component.as_bytes() == &***name)
                    && matches!(tree.node(**child).kind, Kind::Directory(_))
            });
            fitting.map(|(name, child)| (joined(path, name), *child)).collect()
        };
        found = found.iter().flat_map(below).collect();
    }
    found
}

fn joined(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

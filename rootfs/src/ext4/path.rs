//! Names of nodes, for who reads messages.

use crate::tree::{NodeId, Tree};

/// The first path that leads to a node.
pub(super) fn of(tree: &Tree, node: NodeId) -> String {
    let path = tree.path_of(node).unwrap_or_default();
    format!("/{}", String::from_utf8_lossy(&path).escape_debug())
}

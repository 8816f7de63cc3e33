//! Names of nodes, for who reads messages.

use crate::tree::{NodeId, Tree};

/// The first path that leads to a node. Slow, and for messages alone.
pub(super) fn of(tree: &Tree, node: NodeId) -> String {
    let path = tree.walk().find(|(_, id)| *id == node).map(|(path, _)| path);
    format!("/{}", String::from_utf8_lossy(&path.unwrap_or_default()).escape_debug())
}

//! Which files of a tree are secrets, and taking them out.

use std::collections::BTreeMap;

use super::{
    Action, HardenError, Removed, Spared, SparedBecause, content, dependency, packaged, places,
    secret::Secret,
};
use crate::{
    removal::{Freed, Removal},
    store::Store,
    tree::{Content, Kind, NodeId, Tree},
};

pub(super) struct Found {
    pub(super) taken: Vec<Taken>,
    pub(super) spared: Vec<Spared>,
    pub(super) unread: u64,
}

pub(super) struct Taken {
    node: NodeId,
    secret: Secret,
    paths: Vec<Vec<u8>>,
}

/// What is known by its place is told as that, whatever it says.
pub(super) fn find(tree: &Tree, store: &Store, kept: &[Vec<u8>]) -> Result<Found, HardenError> {
    let mut secrets = places::find(tree, store)?;
    let others = |id: &NodeId| !secrets.contains_key(id);
    let files: Vec<(NodeId, &Content)> = tree
        .links()
        .into_keys()
        .filter(others)
        .filter_map(|id| match &tree.node(id).kind {
            Kind::File(content) => Some((id, content)),
            _ => None,
        })
        .collect();
    let (readable, unread): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(_, content)| content.size <= content::LIMIT);
    secrets.extend(content::scan(tree, store, &readable)?);

    let mut paths = paths_of(tree, &secrets);
    let packaged = packaged::among(tree, store, &paths)?;
    let mut found = Found { taken: Vec::new(), spared: Vec::new(), unread: unread.len() as u64 };
    for (node, secret) in secrets {
        let paths = paths.remove(&node).unwrap_or_default();
        let is_key = matches!(secret, Secret::PrivateKey(_));
        let because = if paths.iter().any(|path| is_kept(path, kept)) {
            Some(SparedBecause::Kept)
        } else if packaged.contains(&node) {
            Some(SparedBecause::Packaged)
        } else {
            // A token was somebody's wherever it stands.
            let is_dependency = is_key && paths.iter().all(|path| dependency::holds(path));
            is_dependency.then_some(SparedBecause::Dependency)
        };
        match because {
            Some(because) => found.spared.push(Spared { paths, secret, because }),
            None => found.taken.push(Taken { node, secret, paths }),
        }
    }
    found.taken.sort_by(|a, b| a.paths.cmp(&b.paths));
    found.spared.sort_by(|a, b| a.paths.cmp(&b.paths));
    Ok(found)
}

pub(super) fn remove(removal: &mut Removal<'_>, taken: Vec<Taken>) -> Vec<Removed> {
    let remove = |Taken { node, secret, paths }| {
        if secret == Secret::MachineId {
            let freed = removal.empty(node);
            return Removed { paths, secret, action: Action::Emptied, freed };
        }
        let mut freed = Freed::default();
        for path in &paths {
            freed += take(removal, path);
        }
        Removed { paths, secret, action: Action::Removed, freed }
    };
    taken.into_iter().map(remove).collect()
}

/// A path as the tree's walk has it, which goes through no links.
fn take(removal: &mut Removal<'_>, path: &[u8]) -> Freed {
    let mut components: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let Some(name) = components.pop() else { return Freed::default() };
    let directory = components
        .iter()
        .try_fold(Tree::ROOT, |directory, component| removal.tree().child(directory, component));
    directory.map_or(Freed::default(), |directory| removal.take(directory, name))
}

fn paths_of(tree: &Tree, secrets: &BTreeMap<NodeId, Secret>) -> BTreeMap<NodeId, Vec<Vec<u8>>> {
    let mut paths: BTreeMap<NodeId, Vec<Vec<u8>>> = BTreeMap::new();
    let mut walk = tree.walk();
    while let Some((path, id)) = walk.advance() {
        if secrets.contains_key(&id) {
            paths.entry(id).or_default().push(path.to_vec());
        }
    }
    paths
}

fn is_kept(path: &[u8], kept: &[Vec<u8>]) -> bool {
    kept.iter().any(|kept| {
        let rest = path.strip_prefix(kept.as_slice());
        rest.is_some_and(|rest| kept.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
    })
}

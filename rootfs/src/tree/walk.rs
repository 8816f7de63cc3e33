//! A tree's names, one after the other.

use std::collections::btree_map::Iter;

use super::{Kind, Name, NodeId, Tree};

/// Parents before children, in the order of the names' bytes. Only one path is in memory, whatever a
/// directory holds and however deep it stands.
#[derive(Debug)]
pub struct Walk<'tree> {
    tree: &'tree Tree,
    path: Vec<u8>,
    /// The directories on the way, by what is left of them and how long their paths are.
    way: Vec<(Iter<'tree, Name, NodeId>, usize)>,
    has_begun: bool,
}

impl<'tree> Walk<'tree> {
    pub(super) fn of(tree: &'tree Tree) -> Self {
        Self { tree, path: Vec::new(), way: Vec::new(), has_begun: false }
    }

    /// The next name's path, which is the root's if it is empty. As an iterator this hands out copies.
    pub fn advance(&mut self) -> Option<(&[u8], NodeId)> {
        let id = if self.has_begun { self.step()? } else { Tree::ROOT };
        self.has_begun = true;
        if let Kind::Directory(children) = &self.tree.node(id).kind {
            self.way.push((children.iter(), self.path.len()));
        }
        Some((&self.path, id))
    }

    fn step(&mut self) -> Option<NodeId> {
        loop {
            let (children, length) = self.way.last_mut()?;
            self.path.truncate(*length);
            let Some((name, id)) = children.next() else {
                self.way.pop();
                continue;
            };
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name);
            return Some(*id);
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = (Vec<u8>, NodeId);

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().map(|(path, id)| (path.to_vec(), id))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::tree::{Metadata, Node};

    fn add(tree: &mut Tree, directory: NodeId, name: &[u8], kind: Kind) -> NodeId {
        let id = tree.add(Node { metadata: Metadata::default(), kind });
        tree.link(directory, name.into(), id);
        id
    }

    fn directory() -> Kind {
        Kind::Directory(BTreeMap::new())
    }

    #[test]
    fn parents_come_first_and_names_in_their_order() {
        let mut tree = Tree::new(Metadata::default());
        let b = add(&mut tree, Tree::ROOT, b"b", directory());
        let c = add(&mut tree, b, b"c", directory());
        let file = add(&mut tree, c, b"file", Kind::Fifo);
        add(&mut tree, b, b"a", directory());
        tree.link(Tree::ROOT, b"a"[..].into(), file);
        add(&mut tree, Tree::ROOT, b"b-", Kind::Fifo);
        let paths: Vec<_> = tree.walk().map(|(path, _)| String::from_utf8(path).unwrap()).collect();
        assert_eq!(paths, ["", "a", "b", "b/a", "b/c", "b/c/file", "b-"]);
        assert_eq!(tree.path_of(file), Some(b"a".to_vec()));
        assert_eq!(tree.links()[&file], 2);
        assert_eq!(tree.links().len(), 6);
        tree.unlink(Tree::ROOT, b"b");
        tree.unlink(Tree::ROOT, b"a");
        assert_eq!((tree.path_of(file), tree.links().len()), (None, 2));
    }

    /// All paths of it at once were 15 GB, and as many bytes were copied to have them one by one.
    #[test]
    fn many_names_far_down_cost_no_more_than_elsewhere() {
        let mut tree = Tree::new(Metadata::default());
        let deep = (0..120)
            .fold(Tree::ROOT, |parent, _| add(&mut tree, parent, &[b'd'; 250], directory()));
        for number in 0..500_000_u32 {
            add(&mut tree, deep, &number.to_be_bytes(), Kind::Fifo);
        }
        let (mut names, mut bytes) = (0_u64, 0_u64);
        let mut walk = tree.walk();
        while let Some((path, _)) = walk.advance() {
            names += 1;
            bytes += path.len() as u64;
        }
        assert_eq!(names, 1 + 120 + 500_000);
        assert!(bytes > 15_000_000_000, "{bytes}");
        assert_eq!(tree.links().len(), 1 + 120 + 500_000);
    }
}

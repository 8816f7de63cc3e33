//! Names that take away what lower layers have.

use kiln_archive::MemberPath;

use super::{Kind, Name, NodeId, Stack};

const PREFIX: &[u8] = b".wh.";
const UNION: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Name(Name),
    Opaque,
    Union,
    Wrong,
}

/// Whether any part of it is.
pub(super) fn is_reserved(path: &MemberPath) -> bool {
    path.bytes().split(|&byte| byte == b'/').any(|part| part.starts_with(PREFIX))
}

/// What a path says besides naming something, if it does.
pub(super) fn mark(path: &MemberPath) -> Option<Mark> {
    if !is_reserved(path) {
        return None;
    }
    let (directory, name) = path.split();
    for part in directory.split(|&byte| byte == b'/') {
        if part.starts_with(UNION) && part != OPAQUE {
            return Some(Mark::Union);
        }
        if part.starts_with(PREFIX) {
            return Some(Mark::Wrong);
        }
    }
    Some(match name.strip_prefix(PREFIX) {
        _ if name == OPAQUE => Mark::Opaque,
        _ if name.starts_with(UNION) => Mark::Union,
        None | Some(b"" | b"." | b"..") => Mark::Wrong,
        Some(name) => Mark::Name(name.into()),
    })
}

impl Stack {
    /// Notes that this layer says something of a name.
    pub(super) fn freshen(&mut self, directory: NodeId, name: &[u8]) {
        if let Some(fresh) = &mut self.fresh {
            fresh.insert((directory, name.into()));
        }
    }

    /// Takes away what lower layers have at a name; of a directory that this layer says something of,
    /// what they have in it. Whether anything was there.
    pub(super) fn hide(&mut self, directory: NodeId, name: &[u8]) -> bool {
        let Some(node) = self.tree.child(directory, name) else { return false };
        let is_fresh =
            self.fresh.as_ref().is_some_and(|fresh| fresh.contains(&(directory, name.into())));
        if is_fresh {
            self.hide_all(node);
        } else {
            self.tree.unlink(directory, name);
        }
        true
    }

    /// As deep as the tree is, which is limited. Once is enough for a layer: all that comes to the directory
    /// afterwards is the layer's own.
    pub(super) fn hide_all(&mut self, directory: NodeId) {
        if !self.cleared.insert(directory) {
            return;
        }
        let names: Vec<Name> = match &self.tree.node(directory).kind {
            Kind::Directory(children) => children.keys().cloned().collect(),
            _ => return,
        };
        for name in names {
            self.hide(directory, &name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiteouts_are_known_by_their_names() {
        let check = |path: &str, expected: Option<Mark>| {
            let path = MemberPath::parse(path.as_bytes(), 8).unwrap();
            assert_eq!(mark(&path), expected, "{path:?}");
        };
        check("a/b", None);
        check("a.wh.b", None);
        check(".wh", None);
        check(".wh.a", Some(Mark::Name(b"a"[..].into())));
        check("a/.wh..b", Some(Mark::Name(b".b"[..].into())));
        check("a/.wh....", Some(Mark::Name(b"..."[..].into())));
        check("a/.wh..wh..opq", Some(Mark::Opaque));
        check(".wh..wh.aufs", Some(Mark::Union));
        check(".wh..wh.plnk/12.34", Some(Mark::Union));
        for wrong in [".wh.", "a/.wh..", "a/.wh...", ".wh.a/b", ".wh..wh..opq/a"] {
            check(wrong, Some(Mark::Wrong));
        }
    }
}

//! Which documents have to stay with what they speak of.

use crate::{
    removal::Fate,
    tree::{Kind, Node},
};

const NAMES: [&[u8]; 5] = [b"copyright", b"copying", b"licence", b"license", b"notice"];

/// Links between packages' directories stay too, for a package may have its copyright in another's.
pub(super) fn decide(path: &[u8], node: &Node) -> Fate {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let is_package = !path.contains(&b'/');
    let is_licence = NAMES.iter().any(|licence| {
        name.get(..licence.len()).is_some_and(|start| start.eq_ignore_ascii_case(licence))
    });
    match node.kind {
        Kind::Symlink(_) if is_package => Fate::Stays,
        Kind::Directory(_) if is_package => Fate::Goes,
        _ if is_licence => Fate::Stays,
        _ => Fate::Goes,
    }
}

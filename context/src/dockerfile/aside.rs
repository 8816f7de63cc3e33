//! A Dockerfile in a directory of its own, beside everything that is built from.

use super::OWN;
use crate::walk::{Kind, Member, Stamp};

const DIRECTORY: &str = ".kiln-dockerfile";
const NAME: &str = "Dockerfile";

/// The first that nothing in the context has; `is_taken` knows.
pub(crate) fn aside_name(is_taken: impl Fn(&[u8]) -> bool) -> String {
    let mut name = DIRECTORY.to_owned();
    while is_taken(name.as_bytes()) {
        name.push('-');
    }
    name
}

/// Its members, and the path of the Dockerfile: nothing in the build sees them, since the last line
/// of its ignore file names them.
pub(crate) fn aside(name: &str, dockerfile: Vec<u8>, ignore: &[u8]) -> (Vec<Member>, String) {
    let path = format!("{name}/{NAME}");
    let mut ignore = ignore.to_vec();
    ignore.extend_from_slice(format!("\n{name}\n").as_bytes());
    let member = |path: &str, content: Vec<u8>| {
        let stamp = Stamp {
            device: 0,
            inode: 0,
            size: 0,
            mode: 0o644,
            modified: (0, 0),
            changed: (0, 0),
            blocks: 0,
        };
        Member { path: path.as_bytes().to_vec(), kind: Kind::Given(content.into()), stamp }
    };
    let members = vec![member(&path, dockerfile), member(&format!("{path}{OWN}"), ignore)];
    (members, path)
}

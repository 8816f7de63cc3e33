//! Messages of one language stand below a directory of its name: `de`, `pt_BR`, `sr@latin`.

use crate::{
    removal::Fate,
    tree::{Kind, Node},
};

pub(super) fn decide(path: &[u8], node: &Node, kept: &[String]) -> Fate {
    let is_language = matches!(node.kind, Kind::Directory(_) | Kind::Symlink(_));
    // What is no directory is a list, such as `locale.alias`.
    if !path.contains(&b'/') && (!is_language || kept.iter().any(|kept| serves(path, kept))) {
        Fate::Stays
    } else {
        Fate::Goes
    }
}

/// Who keeps `de` keeps `de_AT`. Who keeps `de_AT` needs `de` too, where most of its messages are.
fn serves(found: &[u8], kept: &str) -> bool {
    begins(found, kept.as_bytes()) || begins(kept.as_bytes(), found)
}

fn begins(whole: &[u8], start: &[u8]) -> bool {
    match whole.strip_prefix(start) {
        Some([]) => true,
        Some([next, ..]) => matches!(next, b'_' | b'@' | b'.'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_kept_with_its_countries() {
        let check = |found: &str, kept, expected| {
            assert_eq!(serves(found.as_bytes(), kept), expected, "{found} for {kept}");
        };
        check("de", "de", true);
        check("de_AT", "de", true);
        check("en@quot", "en", true);
        check("de", "de_AT", true);
        check("de_AT", "de_CH", false);
        check("del", "de", false);
        check("d", "de", false);
        check("fr", "de", false);
    }
}

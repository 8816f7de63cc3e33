//! Secrets by where they stand.

mod proof;
mod table;

use std::collections::{BTreeMap, HashMap};

use self::{
    proof::Proof,
    table::{Known, TABLE},
};
use super::{HardenError, content, follow::Place, secret::Secret, shown};
use crate::{
    store::Store,
    tree::{Kind, NodeId, Tree},
};

/// Files with something in them, by the first entry of the table that knows them.
pub(super) fn find(tree: &Tree, store: &Store) -> Result<BTreeMap<NodeId, Secret>, HardenError> {
    let mut candidates: Vec<(usize, NodeId)> = Vec::new();
    let mut anywhere: HashMap<&[u8], Vec<(usize, &Known)>> = HashMap::new();
    for (number, known) in TABLE.iter().enumerate() {
        match known.pattern.strip_prefix('/') {
            Some(pattern) => {
                let files = matching(tree, Place::root(tree), pattern);
                candidates.extend(files.into_iter().map(|file| (number, file)));
            }
            None => {
                let first = known.pattern.split('/').next().unwrap_or_default();
                anywhere.entry(first.as_bytes()).or_default().push((number, known));
            }
        }
    }
    let mut walk = tree.walk();
    while let Some((path, _)) = walk.advance() {
        let cut = path.iter().rposition(|byte| *byte == b'/').map_or(0, |cut| cut + 1);
        for (number, known) in anywhere.get(&path[cut..]).into_iter().flatten() {
            let directory = Place::root(tree).at(&path[..cut]);
            let files = matching(tree, directory, known.pattern);
            candidates.extend(files.into_iter().map(|file| (*number, file)));
        }
    }
    candidates.sort_unstable();
    candidates.dedup();
    let mut found = BTreeMap::new();
    for (number, file) in candidates {
        let known = &TABLE[number];
        if !found.contains_key(&file) && holds(tree, store, file, known.proof)? {
            found.insert(file, known.secret);
        }
    }
    Ok(found)
}

/// Files that a pattern leads to from a place, links followed. A `*` is any part of a name; `**` at the
/// end is every file below. Where any name will do, links are not followed: one that leads to `/usr/bin`
/// makes no secrets of what is there.
fn matching<'tree>(tree: &'tree Tree, from: Place<'tree>, pattern: &str) -> Vec<NodeId> {
    let mut places = vec![from];
    for component in pattern.split('/') {
        if component == "**" {
            let places = places.iter().filter(|place| place.links == 0);
            return places.filter_map(Place::node).flat_map(|id| tree.files_below(id)).collect();
        }
        let next = |place: &Place<'tree>| -> Vec<Place<'tree>> {
            if !component.contains('*') {
                return vec![place.clone().at(component.as_bytes())];
            }
            let is_led = component == "*" && place.links > 0;
            let node = place.node().filter(|_| !is_led).map(|id| &tree.node(id).kind);
            let Some(Kind::Directory(children)) = node else { return Vec::new() };
            let fitting = children.keys().filter(|name| fits(name, component.as_bytes()));
            fitting.map(|name| place.clone().at(name)).collect()
        };
        places = places.iter().flat_map(next).collect();
    }
    let is_open = pattern.ends_with("/*");
    let places = places.iter().filter(|place| !is_open || place.links == 0);
    let files = places.filter_map(Place::node);
    files.filter(|id| matches!(tree.node(*id).kind, Kind::File(_))).collect()
}

/// With one `*` in the pattern.
fn fits(name: &[u8], pattern: &[u8]) -> bool {
    let star = pattern.iter().position(|byte| *byte == b'*').unwrap_or(pattern.len());
    let (start, end) = (&pattern[..star], pattern.get(star + 1..).unwrap_or_default());
    name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
}

fn holds(tree: &Tree, store: &Store, file: NodeId, proof: Proof) -> Result<bool, HardenError> {
    let Kind::File(content) = &tree.node(file).kind else { return Ok(false) };
    if content.size == 0 || proof == Proof::Presence {
        return Ok(content.size > 0);
    }
    if content.size > content::LIMIT {
        return Ok(false);
    }
    let bytes = content::read(store, content).map_err(|source| {
        let path = shown(&tree.path_of(file).unwrap_or_default());
        HardenError::Read { path, source }
    })?;
    Ok(proof.is_in(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    #[test]
    fn a_star_is_any_part_of_a_name() {
        let check = |name: &[u8], pattern: &[u8], expected| {
            assert_eq!(fits(name, pattern), expected, "{}", pattern.escape_ascii());
        };
        check(b"ssh_host_rsa_key", b"ssh_host_*_key", true);
        check(b"ssh_host__key", b"ssh_host_*_key", true);
        check(b"ssh_host_key", b"ssh_host_*_key", false);
        check(b"ssh_host_rsa_key.pub", b"ssh_host_*_key", false);
        check(b"anything", b"*", true);
    }

    /// By every entry of the table, below the root and below other directories, as far as it says.
    #[test]
    fn every_known_secret_is_found() {
        for known in TABLE {
            let text = match known.proof {
                Proof::Presence | Proof::Identity => "anything".to_owned(),
                Proof::Value(keys) => format!("{} = anything", keys[0]),
                Proof::AddressOrValue(_) => "https://user:password@host/".to_owned(),
            };
            let path = known.pattern.replace("**", "below/file").replace('*', "some");
            let paths = match path.strip_prefix('/') {
                Some(path) => vec![path.to_owned()],
                None => vec![path.clone(), format!("home/user/{path}"), format!("a/b/c/{path}")],
            };
            for path in paths {
                let mut sample = Sample::new();
                let file = sample.put_file(&path, &text);
                let found = find(&sample.tree, &sample.store).unwrap();
                assert_eq!(found, [(file, known.secret)].into(), "{path}");
                if !matches!(known.proof, Proof::Presence | Proof::Identity) {
                    let mut sample = Sample::new();
                    sample.put_file(
                        &path,
                        "# nothing of use to anyone
",
                    );
                    assert_eq!(find(&sample.tree, &sample.store).unwrap(), [].into(), "{path}");
                }
            }
        }
    }

    #[test]
    fn links_where_any_name_will_do_are_not_followed() {
        let mut sample = Sample::new();
        sample.put_file("usr/bin/program", "anything");
        sample.put_link("run/secrets", "/usr/bin");
        sample.put_link("root/.aws/sso/cache", "/usr/bin");
        sample.put_link("root/.aws/cli/cache/file", "/usr/bin/program");
        assert_eq!(find(&sample.tree, &sample.store).unwrap(), [].into());
    }

    #[test]
    fn no_pattern_has_two_stars_in_a_name_or_one_in_its_first() {
        for known in TABLE {
            for (number, component) in known.pattern.split('/').enumerate() {
                let stars = component.matches('*').count();
                assert!(stars < 2 || component == "**", "{}", known.pattern);
                assert!(stars == 0 || number > 0, "{}", known.pattern);
            }
            assert!(!known.pattern.trim_end_matches("**").contains("**"), "{}", known.pattern);
        }
    }
}

//! `/var/log`: who writes there finds its file and the file's owner, but nothing in it.

use super::{Place, places};
use crate::{
    removal::{Fate, Freed, Removal},
    tree::{Kind, Node},
};

const LOGS: &str = "var/log";

pub(super) fn empty(removal: &mut Removal<'_>) -> Vec<Place> {
    let mut places = places::sweep(removal, LOGS, &decide);
    let mut freed = Freed::default();
    for (_, directory) in places::find(removal.tree(), LOGS) {
        for file in removal.tree().files_below(directory) {
            freed += removal.empty(file);
        }
    }
    match places.first_mut() {
        Some(place) => place.freed += freed,
        None if freed.is_nothing() => {}
        None => places.push(Place { path: LOGS.into(), freed }),
    }
    places
}

/// Journals, which may not be empty, and what was put away when a log had become too long.
fn decide(path: &[u8], node: &Node) -> Fate {
    if matches!(node.kind, Kind::File(_)) && is_old(path) { Fate::Goes } else { Fate::StaysAlone }
}

fn is_old(path: &[u8]) -> bool {
    let ending = path.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let is_number = !ending.is_empty() && ending.iter().all(u8::is_ascii_digit);
    is_number
        || matches!(ending, b"journal" | b"journal~" | b"gz" | b"xz" | b"bz2" | b"zst" | b"old")
}

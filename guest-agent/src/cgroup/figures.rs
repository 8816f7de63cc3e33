//! The flat keyed files of control groups: `name value` per line.

use std::io;

use super::directory::Directory;
use crate::group::Memory;

/// A group that answers nothing any more is no reason to keep a command's result back.
pub(super) fn memory(group: &Directory) -> Memory {
    let events = group.read("memory.events").unwrap_or_default();
    let peak = group.read("memory.peak").unwrap_or_default();
    Memory {
        peak_bytes: peak.trim().parse().unwrap_or(0),
        kills: field(&events, "oom_kill").unwrap_or(0),
    }
}

/// Whether a group and those below it have no process.
pub(super) fn is_empty(group: &Directory) -> io::Result<bool> {
    let populated = field(&group.read("cgroup.events")?, "populated");
    Ok(populated.ok_or(io::ErrorKind::InvalidData)? == 0)
}

/// The value of `name`; `None` when there is no such line or no number in it.
pub(super) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        if key == name { value.trim().parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = "low 0\nhigh 0\nmax 31\noom 2\noom_kill 1\noom_group_kill 1\n";

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        assert_eq!(field(EVENTS, "oom"), Some(2));
        assert_eq!(field(EVENTS, "oom_kill"), Some(1));
        assert_eq!(field(EVENTS, "oom_"), None);
        assert_eq!(field("", "oom"), None);
        assert_eq!(field("oom many\n", "oom"), None);
        assert_eq!(field("populated 1\nfrozen 0\n", "populated"), Some(1));
    }
}

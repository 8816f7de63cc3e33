//! The lines around a place, as `docker buildx` shows them.

use std::fmt::Write as _;

use super::source::{Range, Source};

const RULE: &str = "--------------------\n";

pub(super) struct Excerpt {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) text: String,
}

/// `None` where it has no lines.
pub(super) fn excerpt(source: &Source) -> Option<Excerpt> {
    let data = String::from_utf8_lossy(&source.info.data);
    let lines: Vec<&str> = data.split('\n').collect();
    let count = u32::try_from(lines.len()).ok()?;
    let first = source.ranges.iter().map(|range| range.lines().0).min()?;
    let last = source.ranges.iter().map(|range| range.lines().1).max()?;
    if first < 1 || first > count {
        return None;
    }
    let last = last.min(count);
    let (from, to) = around(first, last, count);
    let mut text = format!("{}:{first}\n{RULE}", source.info.filename);
    let is_marked = |line: u32| {
        let holds = |range: &Range| (range.lines().0..=range.lines().1).contains(&line);
        source.ranges.iter().any(holds)
    };
    for (number, line) in (from..=to).zip(&lines[from as usize - 1..]) {
        let mark = if is_marked(number) { ">>>" } else { "   " };
        // A String takes whatever is written to it.
        let _ = writeln!(text, " {number:3} | {mark} {line}");
    }
    text.push_str(RULE);
    Some(Excerpt { first, last, text })
}

/// More lines around one than around several, and none counted that are not there.
fn around(mut first: u32, mut last: u32, count: u32) -> (u32, u32) {
    let wanted = if first == last { 4 } else { 2 };
    let mut added = 0;
    while added < wanted {
        if first > 1 {
            first -= 1;
            added += 1;
        }
        if last != count {
            last += 1;
            added += 1;
        }
        added += 1;
    }
    (first, last)
}

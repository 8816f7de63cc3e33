//! Classes by their names, as in `[[:alpha:]]`: of ASCII alone.

use std::str::Chars;

type Ranges = &'static [(char, char)];

const NAMED: [(&str, Ranges); 14] = [
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\x7f')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\x1f'), ('\x7f', '\x7f')]),
    ("digit", &[('0', '9')]),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

pub(super) enum Named {
    /// And how many characters it was written with.
    Class(Vec<(char, char)>, usize),
    /// An error to the engine.
    Unknown,
    /// A bracket like any character.
    Not,
}

/// What stands there, `[` included.
pub(super) fn named(written: &Chars<'_>) -> Named {
    let Some(inside) = written.as_str().strip_prefix("[:") else { return Named::Not };
    let Some((name, _)) = inside.split_once(":]") else { return Named::Not };
    let length = name.chars().count() + 4;
    let (name, is_negated) = match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name, false),
    };
    match NAMED.iter().find(|(known, _)| *known == name) {
        Some((_, ranges)) if is_negated => Named::Class(others(ranges), length),
        Some((_, ranges)) => Named::Class(ranges.to_vec(), length),
        None => Named::Unknown,
    }
}

/// What lies between them.
fn others(ranges: Ranges) -> Vec<(char, char)> {
    let mut found = Vec::new();
    let mut from = 0_u32;
    for (low, high) in ranges {
        if let (Some(low), Some(high)) =
            (char::from_u32(from), u32::from(*low).checked_sub(1).and_then(char::from_u32))
            && low <= high
        {
            found.push((low, high));
        }
        from = u32::from(*high) + 1;
    }
    found.extend(char::from_u32(from).map(|low| (low, char::MAX)));
    found
}

//! The lines of an ignore file: comments, blanks, marks and slashes.

use super::{InvalidIgnore, clean::clean, text::trim};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// What its reader takes at once.
const LONGEST: usize = 65535;

/// What stands in each, made plain, with its number from 1.
pub(super) fn lines(file: &[u8]) -> Result<Vec<(usize, Vec<u8>)>, InvalidIgnore> {
    let mut found = Vec::new();
    for (at, line) in file.split(|byte| *byte == b'\n').enumerate() {
        if line.len() > LONGEST {
            return Err(InvalidIgnore::LongLine { line: at + 1 });
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if at == 0 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        // Only here: behind a blank it is a name.
        if line.starts_with(b"#") {
            continue;
        }
        match trim(line) {
            b"" => {}
            [b'!', kept @ ..] => found.push((at + 1, [b"!", &*plain(trim(kept))].concat())),
            ignored => found.push((at + 1, plain(ignored))),
        }
    }
    Ok(found)
}

/// From the context's root, wherever it begins.
fn plain(path: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        return Vec::new();
    }
    let path = clean(path);
    match &*path {
        [b'/', below @ ..] if !below.is_empty() => below.to_vec(),
        _ => path,
    }
}

//! The machine's name.

use std::io;

const FILE: &str = "/etc/hostname";
const DEFAULT: &str = "localhost";
/// The kernel's.
const MAX_BYTES: usize = 64;

/// What is wished for, or else what the image says, or else what everyone is.
pub(super) fn set(wished: Option<&str>) -> io::Result<String> {
    let name = match wished {
        Some(name) => name.to_owned(),
        None => from_file(&std::fs::read(FILE).unwrap_or_default()).unwrap_or(DEFAULT.to_owned()),
    };
    rustix::system::sethostname(name.as_bytes())?;
    Ok(name)
}

/// The first line that is one; comments start with `#`.
fn from_file(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let name =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let fits =
        name.len() <= MAX_BYTES && !name.contains(|character: char| !character.is_ascii_graphic());
    fits.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_the_machine_by_its_first_line() {
        let check = |text: &[u8], expected: Option<&str>| {
            assert_eq!(from_file(text).as_deref(), expected);
        };
        check(b"one\n", Some("one"));
        check(b"\n# two\n  three.example \nfour", Some("three.example"));
        check(b"", None);
        check(b"five six\n", None);
        check(b"\xff\n", None);
        check("x".repeat(65).as_bytes(), None);
    }
}

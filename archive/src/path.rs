//! Where a member of an archive stands: below the root, whatever its name says.

use std::fmt::Write as _;

/// What the kernel takes, with the byte that ends it.
const LENGTH: usize = 4095;
const COMPONENT: usize = 255;

/// Names without slashes, `.` or `..`, joined by single slashes. Empty is the root itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberPath(Vec<u8>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    #[error("it is empty")]
    Empty,
    #[error("it is absolute")]
    Absolute,
    #[error("it climbs with \"..\"")]
    Climbs,
    #[error("it holds a zero byte")]
    Nul,
    #[error("it is longer than {LENGTH} bytes, or a part of it than {COMPONENT}")]
    TooLong,
    #[error("it stands deeper than {limit} directories")]
    TooDeep { limit: usize },
}

impl MemberPath {
    pub fn parse(name: &[u8], depth: usize) -> Result<Self, InvalidPath> {
        if name.starts_with(b"/") {
            return Err(InvalidPath::Absolute);
        }
        Self::parse_below_root(name, depth)
    }

    /// The same where a name may count from the root on: `/etc/motd` is `etc/motd`.
    pub fn parse_below_root(name: &[u8], depth: usize) -> Result<Self, InvalidPath> {
        if name.is_empty() {
            return Err(InvalidPath::Empty);
        }
        if name.contains(&0) {
            return Err(InvalidPath::Nul);
        }
        if name.len() > LENGTH {
            return Err(InvalidPath::TooLong);
        }
        let mut path = Vec::with_capacity(name.len());
        let mut parts = 0;
        for part in name.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err(InvalidPath::Climbs),
                part if part.len() > COMPONENT => return Err(InvalidPath::TooLong),
                part => {
                    if !path.is_empty() {
                        path.push(b'/');
                    }
                    path.extend_from_slice(part);
                    parts += 1;
                }
            }
        }
        if parts > depth {
            return Err(InvalidPath::TooDeep { limit: depth });
        }
        Ok(Self(path))
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The directory that it stands in, which is empty for the root, and its own name.
    pub fn split(&self) -> (&[u8], &[u8]) {
        match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&self.0[..slash], &self.0[slash + 1..]),
            None => (b"", &self.0),
        }
    }

    /// Whether a link at this place cannot lead out of the root, whichever other links there are.
    /// A `..` counts from a real directory only at the beginning: behind a name, which may be a
    /// link, nobody knows where it leads.
    pub fn keeps_inside(&self, target: &[u8]) -> bool {
        let mut above =
            self.split().0.split(|&byte| byte == b'/').filter(|p| !p.is_empty()).count();
        let mut is_leading = true;
        if target.is_empty() || target.starts_with(b"/") || target.contains(&0) {
            return false;
        }
        for part in target.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." if is_leading && above > 0 => above -= 1,
                b".." => return false,
                _ => is_leading = false,
            }
        }
        true
    }

    /// As people may read it.
    pub fn shown(&self) -> String {
        shown(&self.0)
    }
}

/// A name on one line of a terminal that it cannot steer; the root's is a dot.
pub fn shown(name: &[u8]) -> String {
    if name.is_empty() {
        return ".".to_owned();
    }
    let mut text = String::new();
    for letter in String::from_utf8_lossy(name).chars() {
        if is_steering(letter) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{}", letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    text
}

fn is_steering(letter: char) -> bool {
    match letter {
        '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => letter.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_below_the_root() {
        let check = |name: &[u8], expected: Result<&str, InvalidPath>| {
            let path = MemberPath::parse(name, 8).map(|path| path.shown());
            assert_eq!(path, expected.map(str::to_owned), "{name:?}");
        };
        check(b"a", Ok("a"));
        check(b"./a//b/./c/", Ok("a/b/c"));
        check(b"./", Ok("."));
        check(b"..a/b..", Ok("..a/b.."));
        check(b"", Err(InvalidPath::Empty));
        check(b"/a", Err(InvalidPath::Absolute));
        check(b"..", Err(InvalidPath::Climbs));
        check(b"a/../b", Err(InvalidPath::Climbs));
        check(b"a\0b", Err(InvalidPath::Nul));
        check(&[b'a'; 256], Err(InvalidPath::TooLong));
        check(&b"ab/".repeat(1400), Err(InvalidPath::TooLong));
        check(b"1/2/3/4/5/6/7/8/9", Err(InvalidPath::TooDeep { limit: 8 }));
    }

    #[test]
    fn a_root_in_front_is_taken_where_it_may_be() {
        let check = |name: &[u8], expected: Result<&str, InvalidPath>| {
            let path = MemberPath::parse_below_root(name, 8).map(|path| path.shown());
            assert_eq!(path, expected.map(str::to_owned), "{name:?}");
        };
        check(b"/etc/motd", Ok("etc/motd"));
        check(b"//etc/./motd", Ok("etc/motd"));
        check(b"/", Ok("."));
        check(b"/..", Err(InvalidPath::Climbs));
        check(b"", Err(InvalidPath::Empty));
    }

    #[test]
    fn names_are_shown_on_one_line() {
        assert_eq!(shown(b""), ".");
        assert_eq!(shown(b"a\nb\x1b[2Jc"), "a\\nb\\u{1b}[2Jc");
        assert_eq!(shown("\u{202e}x ü\t".as_bytes()), "\\u{202e}x ü\t");
        assert_eq!(shown(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn links_that_may_lead_out_are_known() {
        let check = |path: &[u8], target: &[u8], expected| {
            let path = MemberPath::parse(path, 8).unwrap();
            assert_eq!(path.keeps_inside(target), expected, "{target:?}");
        };
        check(b"a", b"b", true);
        check(b"a/b", b"../c", true);
        check(b"a/b/c", b"../../d/e", true);
        check(b"a", b"./b/./c", true);
        check(b"a", b"..", false);
        check(b"a/b", b"../..", false);
        check(b"a/b", b"x/..", false);
        check(b"a", b"/etc", false);
        check(b"a", b"", false);
    }
}

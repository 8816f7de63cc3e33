//! An ignore file, as docker reads it: what it names stays behind.
//!
//! Patterns are tried from the first to the last, and the last that matches wins. One that matched
//! a directory has matched everything in it: a walk passes on what it knows of the directory above.
//!
//! The engine in the guest applies the file again. So a pattern that is beyond us may be left to
//! it: then more is sent than is needed, and never less.

mod clean;
mod expression;
mod lines;
mod machine;
mod pattern;
mod syntax;
#[cfg(test)]
mod tests;
mod text;

use self::{lines::lines, pattern::Pattern};

#[derive(Clone, Debug, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIgnore {
    #[error("line {line} is longer than 65535 bytes")]
    LongLine { line: usize },
    #[error("line {line}: a ! stands alone: write what is to be kept behind it")]
    LonelyMark { line: usize },
    #[error(
        "line {line}: {pattern:?} is no pattern: a [ without its end, an empty range, or a \\ at the end"
    )]
    Pattern { line: usize, pattern: String },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "syntax error in pattern {pattern:?}: a [ without its end, an empty range, an unknown \\, or a \\ or ! at the end"
)]
pub struct InvalidPattern {
    pub pattern: String,
}

/// Which patterns matched a directory: what is in it starts from there.
#[derive(Clone, Debug, Default)]
pub struct Matched(Option<Vec<bool>>);

impl Ignore {
    pub fn parse(file: &[u8]) -> Result<Self, InvalidIgnore> {
        let mut patterns = Vec::new();
        for (line, text) in lines(file)? {
            patterns.extend(Pattern::parse(line, &text)?);
        }
        Ok(Self { patterns })
    }

    /// Of patterns as they stand, one after the other: the engine has taken them out of a file, and
    /// leaves them to us. So one that is beyond us is refused.
    pub fn of(patterns: &[Vec<u8>]) -> Result<Self, InvalidPattern> {
        let mut known = Vec::new();
        for text in patterns {
            let invalid = || InvalidPattern { pattern: String::from_utf8_lossy(text).into_owned() };
            let pattern = Pattern::parse(0, text).map_err(|_| invalid())?;
            if pattern.as_ref().is_some_and(Pattern::is_left) {
                return Err(invalid());
            }
            known.extend(pattern);
        }
        Ok(Self { patterns: known })
    }

    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether `path`, below the directory that `above` is of, is ignored. Without `above` the
    /// directories in its name are tried as well.
    pub fn matches(&self, path: &[u8], above: &Matched) -> (bool, Matched) {
        let mut ignored = false;
        let mut matched = vec![false; self.patterns.len()];
        for (at, pattern) in self.patterns.iter().enumerate() {
            let inherited = above.0.as_ref().is_some_and(|above| above[at]);
            // What would change nothing is not tried, and counts as no match further down.
            if !inherited && pattern.keeps != ignored {
                continue;
            }
            if inherited
                || pattern.matches(path)
                || (above.0.is_none() && parents(path).any(|parent| pattern.matches(parent)))
            {
                matched[at] = true;
                ignored = !pattern.keeps;
            }
        }
        (ignored, Matched(Some(matched)))
    }

    /// Whether something in a directory that is not ignored may be.
    pub fn may_ignore_in(&self, directory: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| !pattern.keeps && pattern.may_match_in(directory))
    }

    /// Whether something in an ignored directory may be kept.
    pub fn may_keep_in(&self, directory: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| pattern.keeps && pattern.may_match_in(directory))
    }
}

fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at])
}

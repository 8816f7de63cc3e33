//! Which names a rule means.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::InvalidRule;
use crate::name::Name;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    Exact(Name),
    /// `*.NAME`: whatever ends in it, and not itself.
    Suffix(Name),
}

impl Pattern {
    pub fn matches(&self, name: &Name) -> bool {
        match self {
            Self::Exact(own) => own == name,
            Self::Suffix(suffix) => is_below(name, suffix),
        }
    }

    /// Whether it matches whatever `other` matches.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(name)) => self.matches(name),
            (Self::Exact(_), Self::Suffix(_)) => false,
            (Self::Suffix(own), Self::Suffix(theirs)) => own == theirs || is_below(theirs, own),
        }
    }
}

/// By whole labels: `evil-one.test` does not stand below `one.test`.
fn is_below(name: &Name, suffix: &Name) -> bool {
    let above = name.as_str().strip_suffix(suffix.as_str());
    above.is_some_and(|above| above.ends_with('.'))
}

impl FromStr for Pattern {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        if text == "*" {
            return Err(InvalidRule::Everything);
        }
        match text.strip_prefix("*.") {
            Some(suffix) if suffix.contains('*') => Err(InvalidRule::star(text)),
            Some(suffix) => Ok(Self::Suffix(suffix.parse()?)),
            None if text.contains('*') => Err(InvalidRule::star(text)),
            None => Ok(Self::Exact(text.parse()?)),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(formatter),
            Self::Suffix(suffix) => write!(formatter, "*.{suffix}"),
        }
    }
}

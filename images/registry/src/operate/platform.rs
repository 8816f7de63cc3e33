//! Which images of an index are meant.

use std::{fmt, str::FromStr};

use crate::manifest::{Descriptor, Platform};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platforms {
    /// The whole index.
    All,
    /// One of them, and the index's name for it.
    One(Platform),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a platform: expected OS/ARCHITECTURE[/VARIANT], as in linux/arm64, or all")]
pub struct InvalidPlatform;

impl Platforms {
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let (os, architecture) = ("linux".to_owned(), architecture.to_owned());
        Self::One(Platform { os, architecture, ..Platform::default() })
    }

    /// Which of an index's entries. For one platform the first that fits best, as docker has it: its
    /// variant, else none, else any.
    pub fn choose<'a>(&self, entries: &'a [Descriptor]) -> Vec<&'a Descriptor> {
        let wanted = match self {
            Self::All => return entries.iter().collect(),
            Self::One(wanted) => wanted,
        };
        let best = entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| {
                Some((distance(wanted, entry.platform.as_ref()?)?, index, entry))
            })
            .min_by_key(|(distance, index, _)| (*distance, *index));
        best.map(|(_, _, entry)| entry).into_iter().collect()
    }
}

/// Whether what says it is for one is for the other.
pub(crate) fn fits(stated: &Platform, found: &Platform) -> bool {
    distance(stated, found).is_some()
}

/// None: another one.
fn distance(wanted: &Platform, found: &Platform) -> Option<u8> {
    if (&wanted.os, &wanted.architecture) != (&found.os, &found.architecture) {
        return None;
    }
    let implied = |platform: &Platform| match (&platform.variant, platform.architecture.as_str()) {
        (Some(variant), _) => Some(variant.clone()),
        (None, "arm64") => Some("v8".to_owned()),
        (None, "arm") => Some("v7".to_owned()),
        (None, _) => None,
    };
    match (implied(wanted), implied(found)) {
        (wanted, found) if wanted == found => Some(0),
        (Some(_), None) => Some(1),
        (None, Some(_)) => Some(2),
        (Some(_) | None, _) => None,
    }
}

impl FromStr for Platforms {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        if text == "all" {
            return Ok(Self::All);
        }
        let mut parts = text.split('/').map(str::to_owned);
        let (Some(os), Some(architecture), variant, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidPlatform);
        };
        let is_word = |word: &String| {
            !word.is_empty()
                && word.len() <= 64
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let architecture = match architecture.as_str() {
            "x86_64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            _ => architecture,
        };
        if ![&os, &architecture].into_iter().chain(&variant).all(is_word) {
            return Err(InvalidPlatform);
        }
        Ok(Self::One(Platform { os, architecture, variant, os_version: None }))
    }
}

impl fmt::Display for Platforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::One(platform) => platform.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{digest::Digest, manifest::media};

    fn entry(platform: &str) -> Descriptor {
        let mut entry = Descriptor::new(media::OCI_MANIFEST, Digest::of(platform.as_bytes()), 1);
        entry.platform = match platform.parse() {
            Ok(Platforms::One(platform)) => Some(platform),
            _ => None,
        };
        entry
    }

    #[test]
    fn one_of_an_index() {
        let entries = [
            "unknown/unknown",
            "linux/amd64",
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64/v8",
            "none",
        ]
        .map(entry);
        for (wanted, found) in [
            ("linux/amd64", Some("linux/amd64")),
            ("linux/x86_64", Some("linux/amd64")),
            ("linux/amd64/v3", Some("linux/amd64")),
            ("linux/arm64", Some("linux/arm64/v8")),
            ("linux/arm", Some("linux/arm/v7")),
            ("linux/arm/v6", Some("linux/arm/v6")),
            ("linux/arm/v5", None),
            ("windows/amd64", None),
        ] {
            let chosen = wanted.parse::<Platforms>().unwrap().choose(&entries);
            let found: Vec<_> =
                found.map(|found| Digest::of(found.as_bytes())).into_iter().collect();
            assert_eq!(
                chosen.iter().map(|entry| entry.digest).collect::<Vec<_>>(),
                found,
                "{wanted}"
            );
        }
        assert_eq!(Platforms::All.choose(&entries).len(), entries.len());
        assert_eq!(Platforms::host().to_string().parse(), Ok(Platforms::host()));
    }

    #[test]
    fn what_is_no_platform() {
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/a b", "ALL/"] {
            assert_eq!(text.parse::<Platforms>(), Err(InvalidPlatform), "{text}");
        }
    }
}

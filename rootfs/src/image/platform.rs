//! What an image runs on.

use std::{fmt, str::FromStr};

use serde::Deserialize;

/// Displays as `linux/arm64/v8`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default)]
    pub variant: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no platform: expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/amd64"
)]
pub struct InvalidPlatform {
    text: String,
}

impl Platform {
    /// Whether an image for this one is what is wanted. A variant counts only where both say one.
    pub(super) fn is(&self, wanted: &Self) -> bool {
        let variant = |own: &Self| match (own.architecture.as_str(), own.variant.as_deref()) {
            // There is no other.
            ("arm64", Some("v8") | None) => None,
            (_, variant) => variant.filter(|text| !text.is_empty()).map(str::to_owned),
        };
        let agree = |ours: Option<String>, theirs: Option<String>| match (ours, theirs) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && agree(variant(self), variant(wanted))
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        let parts: Vec<_> = text.split('/').map(str::to_owned).collect();
        let is_word = |part: &String| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        match &parts[..] {
            [os, architecture, variant @ ..] if variant.len() < 2 && parts.iter().all(is_word) => {
                Ok(Self {
                    os: os.clone(),
                    architecture: architecture.clone(),
                    variant: variant.first().cloned(),
                })
            }
            _ => Err(InvalidPlatform { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { os, architecture, variant } = self;
        write!(formatter, "{os}/{architecture}")?;
        match variant.as_deref() {
            None | Some("") => Ok(()),
            Some(variant) => write!(formatter, "/{variant}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_compared() {
        let check = |ours: &str, wanted: &str, expected| {
            let [ours, wanted] = [ours, wanted].map(|text| text.parse::<Platform>().unwrap());
            assert_eq!(ours.is(&wanted), expected, "{ours} {wanted}");
        };
        check("linux/amd64", "linux/amd64", true);
        check("linux/arm64/v8", "linux/arm64", true);
        check("linux/arm64", "linux/arm64/v8", true);
        check("linux/arm/v7", "linux/arm", true);
        check("linux/arm/v7", "linux/arm/v6", false);
        check("linux/amd64", "linux/arm64", false);
        check("windows/amd64", "linux/amd64", false);
        for wrong in ["", "linux", "linux/", "a/b/c/d", "linux/amd 64"] {
            assert!(wrong.parse::<Platform>().is_err(), "{wrong}");
        }
    }
}

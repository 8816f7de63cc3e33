//! `--free SIZE|PERCENT`.

use std::str::FromStr;

use crate::args::size::{self, InvalidSize};

/// As the wire has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Free(pub(crate) String);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidFree {
    #[error("a part is a whole number from 0% to 95%")]
    Percent,
    #[error(transparent)]
    Size(#[from] InvalidSize),
}

impl FromStr for Free {
    type Err = InvalidFree;

    fn from_str(text: &str) -> Result<Self, InvalidFree> {
        if let Some(percent) = text.strip_suffix('%') {
            return match percent.trim_end().parse::<u8>() {
                Ok(percent @ 0..=95) => Ok(Self(format!("{percent}%"))),
                _ => Err(InvalidFree::Percent),
            };
        }
        match size::parse(text) {
            Ok(bytes) => Ok(Self(bytes.to_string())),
            Err(InvalidSize::Zero) => Ok(Self("0".to_owned())),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_parts() {
        for (text, wire) in [("20%", "20%"), ("0%", "0%"), ("64M", "67108864"), ("0", "0")] {
            assert_eq!(text.parse(), Ok(Free(wire.to_owned())), "{text}");
        }
        for text in ["96%", "-1%", "%", "1.5%", "+5%%", "", "1.5G", "x"] {
            assert!(text.parse::<Free>().is_err(), "{text}");
        }
    }
}

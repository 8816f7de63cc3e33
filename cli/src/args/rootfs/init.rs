//! `--init direct|systemd|none|/PROGRAM`.

use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Init {
    Direct,
    Systemd,
    None,
    /// Absolute, in the image.
    Program(String),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("write direct, systemd, none, or the absolute path of a program of the image")]
pub(crate) struct InvalidInit;

impl FromStr for Init {
    type Err = InvalidInit;

    fn from_str(text: &str) -> Result<Self, InvalidInit> {
        match text {
            "direct" => Ok(Self::Direct),
            "systemd" => Ok(Self::Systemd),
            "none" => Ok(Self::None),
            path if path.starts_with('/') => Ok(Self::Program(path.to_owned())),
            _ => Err(InvalidInit),
        }
    }
}

impl Init {
    /// As the wire has it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Direct => "direct",
            Self::Systemd => "systemd",
            Self::None => "none",
            Self::Program(path) => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_and_paths() {
        for text in ["direct", "systemd", "none", "/usr/bin/start"] {
            assert_eq!(text.parse::<Init>().unwrap().name(), text);
        }
        for text in ["", "sysv", "bin/init", "Direct"] {
            assert_eq!(text.parse::<Init>(), Err(InvalidInit), "{text}");
        }
    }
}

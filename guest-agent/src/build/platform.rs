//! `OS/ARCHITECTURE[/VARIANT]`, as images have it.

use std::fmt;

use super::refused::NotBegun;
use crate::emulation;

const SYSTEM: &str = "linux";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    text: String,
    architecture: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPlatform {
    #[error("platform {0:?} is not OS/ARCHITECTURE[/VARIANT]")]
    Form(String),
    #[error("platform {0:?} is not of linux, and a guest is")]
    System(String),
}

/// What steps can run for: what is emulated comes after what is not.
pub(super) fn runnable() -> Vec<String> {
    emulation::runnable()
        .into_iter()
        .map(|architecture| format!("{SYSTEM}/{architecture}"))
        .collect()
}

/// Makes programs of these platforms run in this guest.
pub(super) async fn make_runnable(platforms: &[Platform]) -> Result<(), NotBegun> {
    for platform in platforms {
        emulation::register(&platform.architecture).await?;
    }
    Ok(())
}

impl TryFrom<String> for Platform {
    type Error = InvalidPlatform;

    fn try_from(text: String) -> Result<Self, InvalidPlatform> {
        let usual = |part: &str| {
            let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            (1..=32).contains(&part.len()) && part.bytes().all(byte)
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (system, architecture) = match &*parts {
            [system, architecture] | [system, architecture, _]
                if parts.iter().all(|part| usual(part)) =>
            {
                (*system, (*architecture).to_owned())
            }
            _ => return Err(InvalidPlatform::Form(text)),
        };
        if system != SYSTEM {
            return Err(InvalidPlatform::System(text));
        }
        Ok(Self { text, architecture })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_linux_on_something() {
        let parse = |text: &str| Platform::try_from(text.to_owned());
        assert_eq!(parse("linux/amd64").unwrap().architecture, "amd64");
        assert_eq!(parse("linux/arm/v7").unwrap().to_string(), "linux/arm/v7");
        for text in ["", "linux", "linux/", "linux/a/b/c", "linux/amd64,linux/arm64", "linux/a b"] {
            assert_eq!(parse(text), Err(InvalidPlatform::Form(text.to_owned())));
        }
        assert!(matches!(parse("windows/amd64"), Err(InvalidPlatform::System(_))));
    }
}

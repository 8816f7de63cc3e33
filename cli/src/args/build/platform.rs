//! `--platform OS/ARCH[/VARIANT],…`.

use std::str::FromStr;

/// As the wire has them, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Platforms(pub(crate) Vec<String>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Platform(pub(crate) String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPlatform {
    #[error("{text:?} is no platform: write OS/ARCH[/VARIANT], such as linux/arm64")]
    NoPlatform { text: String },
    #[error("local is refused: leave --platform out for the guest's own")]
    Local,
}

impl FromStr for Platforms {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        text.split(',').map(|text| platform(text.trim())).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        platform(text.trim()).map(Self)
    }
}

fn platform(text: &str) -> Result<String, InvalidPlatform> {
    let is_word = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    };
    let lower = text.to_ascii_lowercase();
    let parts: Vec<_> = lower.split('/').collect();
    if !parts.iter().all(|part| is_word(part)) || parts.len() > 3 {
        return Err(InvalidPlatform::NoPlatform { text: text.to_owned() });
    }
    match parts[..] {
        ["local"] => Err(InvalidPlatform::Local),
        [architecture] if is_architecture(architecture) => Ok(format!("linux/{architecture}")),
        [architecture, variant] if is_architecture(architecture) => {
            Ok(format!("linux/{architecture}/{variant}"))
        }
        [_, _] | [_, _, _] => Ok(lower),
        _ => Err(InvalidPlatform::NoPlatform { text: text.to_owned() }),
    }
}

/// What stands alone, as containerd reads it.
fn is_architecture(text: &str) -> bool {
    matches!(
        text,
        "386"
            | "amd64"
            | "x86_64"
            | "x86-64"
            | "arm"
            | "armhf"
            | "armel"
            | "arm64"
            | "aarch64"
            | "loong64"
            | "mips64"
            | "mips64le"
            | "ppc64"
            | "ppc64le"
            | "riscv64"
            | "s390x"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms() {
        let check = |text: &str, expected: &[&str]| {
            let expected = expected.iter().map(ToString::to_string).collect();
            assert_eq!(text.parse(), Ok(Platforms(expected)), "{text}");
        };
        check("linux/amd64", &["linux/amd64"]);
        check("linux/amd64,linux/arm64", &["linux/amd64", "linux/arm64"]);
        check("Linux/ARM/v7", &["linux/arm/v7"]);
        check("arm64", &["linux/arm64"]);
        check("arm/v7", &["linux/arm/v7"]);
        for text in ["", "linux", "linux/", "a/b/c/d", "linux/amd64,", "li nux/amd64"] {
            assert!(text.parse::<Platforms>().is_err(), "{text}");
        }
        assert_eq!("local".parse::<Platforms>(), Err(InvalidPlatform::Local));
    }
}

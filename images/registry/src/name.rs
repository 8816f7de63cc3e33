//! Names as the distribution specification has them, and registries as references name them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, InvalidDigest};

const MAX_REPOSITORY_BYTES: usize = 255;
const MAX_TAG_BYTES: usize = 128;
const MAX_HOST_BYTES: usize = 253;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error(
        "not a repository: expected lower-case letters, digits and single separators \
         (`.`, `_`, `__`, `-`) between slashes, at most {MAX_REPOSITORY_BYTES} characters"
    )]
    Repository,
    #[error(
        "not a tag: expected letters, digits, `_`, `.` and `-`, not `.` or `-` first, at most \
         {MAX_TAG_BYTES} characters"
    )]
    Tag,
    #[error("not a registry: expected HOST or HOST:PORT")]
    Host,
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $error:ident, $is_valid:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if $is_valid(text) { Ok(Self(text.to_owned())) } else { Err(InvalidName::$error) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

text!(
    /// `library/debian`
    RepositoryName, Repository, is_repository
);
text!(
    /// `12-slim`
    Tag, Tag, is_tag
);
text!(
    /// A registry as references name it, in lower case: `docker.io`, `registry.example:5443`,
    /// `[2001:db8::1]:5000`.
    Host, Host, is_host
);

/// What a manifest is asked for by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Tag(Tag),
    Digest(Digest),
}

impl FromStr for Target {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.contains(':') {
            Ok(Self::Digest(text.parse()?))
        } else {
            Ok(Self::Tag(text.parse()?))
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl Host {
    /// One name for each registry: Docker Hub's has several, and https has its port.
    #[must_use]
    pub fn canonical(self) -> Self {
        let name = self.0.strip_suffix(":443").unwrap_or(&self.0);
        match name {
            "registry-1.docker.io" | "index.docker.io" => Self("docker.io".to_owned()),
            name => Self(name.to_owned()),
        }
    }

    /// Without the port.
    pub fn name(&self) -> &str {
        match self.0.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => name,
            _ => &self.0,
        }
    }

    pub fn port(&self) -> Option<u16> {
        self.0[self.name().len()..].strip_prefix(':')?.parse().ok()
    }
}

fn is_repository(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_REPOSITORY_BYTES && text.split('/').all(is_component)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let runs = bytes.split(is_word).filter(|run| !run.is_empty());
    let is_separator =
        |run: &[u8]| matches!(run, b"." | b"_" | b"__") || run.iter().all(|byte| *byte == b'-');
    is_word(first) && is_word(last) && runs.into_iter().all(is_separator)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_TAG_BYTES
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse().is_ok_and(|port: u16| port > 0)
    };
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(six) => {
            six.parse::<std::net::Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == six)
        }
        None => name.len() <= MAX_HOST_BYTES && name.split('.').all(is_label),
    };
    is_name && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories() {
        for good in ["a", "library/debian", "a.b/c_d/e__f/g---h", "0/1", &"a".repeat(255)] {
            assert!(good.parse::<RepositoryName>().is_ok(), "{good}");
        }
        let long = "a".repeat(256);
        for bad in ["", "/", "a/", "/a", "A", "a..b", "a___b", "-a", "a.", "a b", "a:b", "ä", &long]
        {
            assert_eq!(bad.parse::<RepositoryName>(), Err(InvalidName::Repository), "{bad}");
        }
    }

    #[test]
    fn tags_and_digests() {
        for good in ["latest", "_", "V1.0-rc_1", &"t".repeat(128)] {
            assert!(matches!(good.parse::<Target>(), Ok(Target::Tag(_))), "{good}");
        }
        for bad in ["", ".a", "-a", "a/b", "a b", &"t".repeat(129)] {
            assert_eq!(bad.parse::<Target>(), Err(InvalidName::Tag), "{bad}");
        }
        assert!(matches!("sha256:0".parse::<Target>(), Err(InvalidName::Digest(_))));
    }

    #[test]
    fn one_registry_has_one_name() {
        for (said, meant) in [
            ("registry.example:443", "registry.example"),
            ("registry.example:5443", "registry.example:5443"),
            ("index.docker.io", "docker.io"),
            ("registry-1.docker.io:443", "docker.io"),
            ("docker.io", "docker.io"),
            ("[2001:db8::1]:443", "[2001:db8::1]"),
        ] {
            let said: Host = said.parse().unwrap();
            assert_eq!(said.canonical().as_str(), meant);
        }
    }

    #[test]
    fn hosts() {
        for (good, name, port) in [
            ("docker.io", "docker.io", None),
            ("registry.example:5443", "registry.example", Some(5443)),
            ("localhost:1", "localhost", Some(1)),
            ("192.0.2.1", "192.0.2.1", None),
            ("[2001:db8::1]:5000", "[2001:db8::1]", Some(5000)),
            ("[2001:db8::1]", "[2001:db8::1]", None),
        ] {
            let host: Host = good.parse().unwrap();
            assert_eq!((host.name(), host.port()), (name, port));
        }
        let label = "a".repeat(64);
        for bad in [
            "", ":1", "a:", "a:0", "a:65536", "A", "a..b", "-a", "a/b", "a@b", "a b", "[::g]",
            &label,
        ] {
            assert_eq!(bad.parse::<Host>(), Err(InvalidName::Host), "{bad}");
        }
    }
}
